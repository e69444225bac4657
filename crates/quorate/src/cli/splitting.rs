//! How a model is cut and divided, as the command line says it.

use clap::Args;
use quorate_core::planner::MethodRequest;
use quorate_model::division::facts::Family;
use quorate_model::division::method::Method;
use quorate_model::stage::{Cut, Recurrent};

/// How a model is cut and divided.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Splitting {
    /// How to divide layers, by all methods that there are.
    #[arg(long = "method", value_delimiter = ',', value_name = "[LAYER=]METHOD,…", value_parser = method_request, help = method_help())]
    pub methods: Vec<MethodRequest>,
    /// Layers that end no stage: each is computed, whole, by whoever reads
    /// what it makes (see `quorate inspect` for their names).
    #[arg(long, value_delimiter = ',', value_name = "LAYER,…")]
    pub glue: Vec<String>,
    /// Values that end a whole stage: the layers on the way to each, but those
    /// named in --method, are in that stage, which one device computes.
    #[arg(long, value_delimiter = ',', value_name = "VALUE,…")]
    pub whole: Vec<String>,
    /// Values that end a stage whose layers are computed together, in bands: each
    /// device makes some rows, and is sent what those need of the rows before.
    /// As many bands lie on other devices too as there are spares.
    #[arg(long, value_delimiter = ',', value_name = "VALUE,…")]
    pub bands: Vec<String>,
    /// Layers whose outputs travel as f16, and inputs: half the bytes, at a
    /// relative error of up to 5e-4, and some times that where a loss is decoded
    /// (`quorate check` states it); `all` for every layer and input.
    #[arg(long, value_delimiter = ',', value_name = "LAYER,…")]
    pub f16: Vec<String>,
    /// The recurrent products of LSTM, GRU and RNN: a cell whole, with
    /// replicas, or divided and coded step by step. The products with the
    /// input are coded either way.
    #[arg(long, default_value = "whole", value_name = "whole|step", value_parser = recurrent)]
    pub recurrent: Recurrent,
}

fn method_help() -> String {
    let of = |family: Family| {
        let words: Vec<&str> = Method::every()
            .map(Method::facts)
            .filter(|f| f.family == family)
            .map(|f| f.name)
            .collect();
        match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, first)) => format!("{} and {last}", first.join(", ")),
            None => String::new(),
        }
    };
    let [fc, conv, dense, grouped, area, any] =
        [Family::Fc, Family::Conv, Family::Dense, Family::Grouped, Family::Area, Family::Any]
            .map(of);
    format!(
        "How to divide layers: a METHOD for all that it is for, LAYER=METHOD for one. Methods: \
         {fc} for fully-connected layers; {dense} for convolutions of one group, {grouped} for \
         those of several, {conv} for both; {area} for these and for stages of --bands; {any} \
         for all [default: output, channel and group]"
    )
}

fn recurrent(text: &str) -> Result<Recurrent, String> {
    match text {
        "whole" => Ok(Recurrent::Whole),
        "step" => Ok(Recurrent::Step),
        other => Err(format!("\"{other}\" is neither whole nor step")),
    }
}

impl Splitting {
    /// Where the model is to be cut.
    pub(crate) fn cut(&self) -> anyhow::Result<Cut> {
        let both = self.methods.iter().find(|request| {
            request.method != Method::Whole
                && request.layer.as_ref().is_some_and(|name| self.whole.contains(name))
        });
        if let Some(MethodRequest { layer: Some(name), method }) = both {
            anyhow::bail!("{name} is in --whole, and --method has it as {method}");
        }
        if let Some(name) = self.bands.iter().find(|name| self.whole.contains(name)) {
            anyhow::bail!("{name} is in --whole and in --bands");
        }
        let named = self.methods.iter().filter_map(|request| request.layer.clone());
        Ok(Cut {
            glue: self.glue.clone(),
            recurrent: self.recurrent,
            whole: self.whole.iter().chain(&self.bands).cloned().collect(),
            keep: named.collect(),
        })
    }

    /// Methods as a planner wants them: what is asked for, and whole stages.
    pub(crate) fn method_requests(&self) -> Vec<MethodRequest> {
        let of =
            |method| move |value: &String| MethodRequest { layer: Some(value.clone()), method };
        let whole = self.whole.iter().map(of(Method::Whole));
        let bands = self.bands.iter().map(of(Method::Bands));
        self.methods.iter().cloned().chain(whole).chain(bands).collect()
    }

    /// Layers that travel as f16, as a planner wants them.
    pub(crate) fn f16_requests(&self) -> Vec<String> {
        let word = |name: &String| if name == "all" { "*".to_owned() } else { name.clone() };
        self.f16.iter().map(word).collect()
    }
}

fn method_request(text: &str) -> Result<MethodRequest, String> {
    let (layer, word) = match text.rsplit_once('=') {
        Some((layer, word)) => (Some(layer.to_owned()), word),
        None => (None, text),
    };
    if layer.as_ref().is_some_and(String::is_empty) {
        return Err(format!("no layer before = in \"{text}\""));
    }
    let method = word.parse::<Method>().map_err(|error| error.to_string())?;
    Ok(MethodRequest { layer, method })
}

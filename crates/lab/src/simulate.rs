//! Simulations of configurations that are drawn: which model, over how many
//! devices, divided how, with which code, and what happens to them.
//!
//! ```text
//! seed -> Configuration -> Material -> every family of simulations, some seeds each
//! ```

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::plan::WaitPolicy;
use quorate_model::division::method::Method;

use crate::sim::family::Family;
use crate::sim::material::{Material, Packing};
use crate::sim::random::SplitMix;
use crate::sim::{branches, play};
use crate::zoo::{self, Size};

/// Simulations of each family over one configuration.
const EACH: u64 = 2;
/// What models are drawn from, beside one with branches.
const ZOO: [&str; 3] = ["mlp", "rnn", "low-res"];
const METHODS: [Method; 6] = [
    Method::Output,
    Method::Channel,
    Method::Spatial,
    Method::Input,
    Method::Filter,
    Method::Whole,
];

/// Values with an area, at which models are cut into stages of bands.
const AREAS: [(&str, &[&str]); 2] =
    [("branches", &["ra", "b", "joined", "rc", "both"]), ("low-res", LOW_RES)];
const LOW_RES: &[&str] =
    &["frame.conv1.relu.pool", "frame.conv2.relu", "frame.conv2.relu.pool", "frame.conv4.relu"];

/// A model over devices, all of it drawn from a seed.
#[derive(Clone, Debug)]
pub struct Configuration {
    seed: u64,
    model: &'static str,
    packing: Packing,
}

/// What came of a configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Simulations played.
    pub simulations: u64,
    /// Events in all of them.
    pub events: u64,
    /// Requests in all of them.
    pub requests: u64,
}

impl AddAssign for Played {
    fn add_assign(&mut self, other: Played) {
        self.simulations += other.simulations;
        self.events += other.events;
        self.requests += other.requests;
    }
}

impl Configuration {
    /// The configuration of a seed.
    pub fn draw(seed: u64) -> Configuration {
        let mut random = SplitMix::new(seed ^ 0x5eed);
        let model = match random.below(ZOO.len() as u64 + 1) as usize {
            at if at < ZOO.len() => ZOO[at],
            _ => "branches",
        };
        let data = random.between(1, 5) as usize;
        // One device alone needs no code, but may have one.
        let parity = random.below(3) as usize;
        let wait = match random.chance(600) {
            true => WaitPolicy::Auto,
            false => WaitPolicy::Fixed(Duration::from_millis(random.below(20))),
        };
        let methods: Vec<Method> = METHODS.into_iter().filter(|_| random.chance(350)).collect();
        let mut packing = Packing::new(data, parity, wait).by(&methods);
        if random.chance(350) {
            let areas = AREAS.iter().filter(|(name, _)| *name == model).flat_map(|(_, all)| *all);
            packing.bands =
                areas.filter(|_| random.chance(400)).map(|name| (*name).to_owned()).collect();
        }
        if random.chance(150) {
            packing.f16 = vec!["*".to_owned()];
        }
        packing.verified = random.chance(200);
        Configuration { seed, model, packing }
    }

    fn model(&self) -> Bytes {
        match self.model {
            "branches" => branches::onnx(),
            name => zoo::find(name).expect("of the zoo").net(Size::Small).to_bytes(1).into(),
        }
    }

    /// Plays these families over it. `Ok(None)` where it cannot be planned so; an
    /// error names the simulation and the promise that was broken.
    pub fn play(&self, families: &[Family]) -> Result<Option<Played>, String> {
        let of = |family: &Family| {
            let seeds = (0..EACH).map(|each| self.seed.wrapping_mul(EACH) + each);
            seeds.map(|seed| (*family, seed)).collect::<Vec<_>>()
        };
        self.play_all(families.iter().flat_map(of))
    }

    /// Plays one simulation of one of these families, which is drawn, too: all else
    /// as [`Configuration::play`].
    pub fn play_one(&self, families: &[Family]) -> Result<Option<Played>, String> {
        let at = SplitMix::new(self.seed ^ 0xfa11).below(families.len().max(1) as u64) as usize;
        self.play_all(families.get(at).map(|family| (*family, self.seed)))
    }

    fn play_all(
        &self,
        all: impl IntoIterator<Item = (Family, u64)>,
    ) -> Result<Option<Played>, String> {
        let Ok(mut material) = Material::new(self.model(), &self.packing) else { return Ok(None) };
        let mut played = Played::default();
        for (family, seed) in all {
            let record = play(&mut material, family, seed);
            let record = record.map_err(|broken| self.said(family, seed, &broken))?;
            played.simulations += 1;
            played.events += record.events;
            played.requests += record.endings.len() as u64;
        }
        Ok(Some(played))
    }

    fn said(&self, family: Family, seed: u64, broken: &str) -> String {
        format!("{self}: {family:?} of seed {seed}: {broken}")
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packing { data, parity, wait, methods, f16, bands, verified } = &self.packing;
        let methods: Vec<String> =
            methods.iter().map(|request| request.method.to_string()).collect();
        let methods = if methods.is_empty() { "default".to_owned() } else { methods.join(", ") };
        let Configuration { seed, model, .. } = self;
        write!(f, "configuration {seed}: {model} over {data}+{parity} by {methods}")?;
        if !bands.is_empty() {
            write!(f, ", bands to {}", bands.join(", "))?;
        }
        let half = if f16.is_empty() { "" } else { ", in f16" };
        let checked = if *verified { ", verified" } else { "" };
        write!(f, "{half}{checked}, wait {wait:?}")
    }
}

//! A node: one operator applied to named values.

use super::NodeError;
use crate::onnx::{AttributeProto, NodeProto, attribute_proto::AttributeType};

/// One operator of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in its graph; made from operator and index where the file has
    /// none or repeats one.
    pub name: String,
    /// Operator, as ONNX names it.
    pub op: String,
    /// Operator set; empty for ONNX's own.
    pub domain: String,
    /// Values read; an empty name is an optional input left out.
    pub inputs: Vec<String>,
    /// Values made; an empty name is an optional output left out.
    pub outputs: Vec<String>,
    /// Attributes as in the file.
    pub attributes: Vec<AttributeProto>,
}

impl Node {
    /// Whether the operator is one of ONNX's own.
    pub(crate) fn is_standard(&self) -> bool {
        self.domain.is_empty() || self.domain == "ai.onnx"
    }

    /// Name of input `index`; `None` where it is left out.
    pub(crate) fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The attribute `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|a| a.name() == name)
    }

    /// The integer attribute `name`, or `default` where absent.
    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Int, "an integer")? else {
            return Ok(default);
        };
        Ok(a.i())
    }

    /// The float attribute `name`, or `default` where absent.
    pub(crate) fn float(&self, name: &str, default: f32) -> Result<f32, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Float, "a float")? else {
            return Ok(default);
        };
        Ok(a.f())
    }

    /// The integer list `name`.
    pub(crate) fn ints(&self, name: &str) -> Result<Option<&[i64]>, NodeError> {
        Ok(self.typed(name, AttributeType::Ints, "a list of integers")?.map(|a| a.ints.as_slice()))
    }

    /// The float list `name`.
    pub(crate) fn floats(&self, name: &str) -> Result<Option<&[f32]>, NodeError> {
        let found = self.typed(name, AttributeType::Floats, "a list of floats")?;
        Ok(found.map(|a| a.floats.as_slice()))
    }

    /// The list of texts `name`.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Strings, "a list of strings")? else {
            return Ok(None);
        };
        let texts = a.strings.iter().map(|s| utf8(name, s));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// The text attribute `name`, or `default` where absent.
    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, NodeError> {
        let Some(a) = self.typed(name, AttributeType::String, "a string")? else {
            return Ok(default);
        };
        utf8(name, a.s())
    }

    /// The node as it stands in a file.
    pub(crate) fn to_proto(&self) -> NodeProto {
        NodeProto {
            name: Some(self.name.clone()),
            op_type: Some(self.op.clone()),
            domain: (!self.domain.is_empty()).then(|| self.domain.clone()),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            attribute: self.attributes.clone(),
            ..Default::default()
        }
    }

    /// Writers that drop zeros leave the value out and only give the type;
    /// very old ones give the value only.
    fn typed(
        &self,
        name: &str,
        kind: AttributeType,
        expected: &'static str,
    ) -> Result<Option<&AttributeProto>, NodeError> {
        let Some(a) = self.attribute(name) else { return Ok(None) };
        let present = match kind {
            AttributeType::Int => a.i.is_some(),
            AttributeType::Float => a.f.is_some(),
            AttributeType::String => a.s.is_some(),
            AttributeType::Ints => !a.ints.is_empty(),
            AttributeType::Floats => !a.floats.is_empty(),
            AttributeType::Strings => !a.strings.is_empty(),
            _ => false,
        };
        let untyped = a.r#type() == AttributeType::Undefined && present;
        if a.r#type() == kind || untyped {
            return Ok(Some(a));
        }
        Err(NodeError::Attribute {
            name: name.to_owned(),
            got: format!("type {:?}", a.r#type()),
            expected,
        })
    }
}

/// The bytes `text` of the attribute `name`.
fn utf8<'a>(name: &str, text: &'a [u8]) -> Result<&'a str, NodeError> {
    std::str::from_utf8(text).map_err(|_| NodeError::Attribute {
        name: name.to_owned(),
        got: "bytes that are no UTF-8".to_owned(),
        expected: "a string",
    })
}

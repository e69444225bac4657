//! A method's numbers: a list of lengths, or a list of such lists.

use std::fmt;

use quorate_model::division::Lengths;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The numbers as a file has them.
#[derive(Debug)]
pub(super) struct LengthsEntry(pub Lengths);

/// One element of the outer list.
enum Element {
    Number(usize),
    List(Vec<usize>),
}

impl<'de> Deserialize<'de> for LengthsEntry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<LengthsEntry, D::Error> {
        let elements = Vec::<Element>::deserialize(from)?;
        let (mut numbers, mut lists) = (Vec::new(), Vec::new());
        for element in elements {
            match element {
                Element::Number(number) => numbers.push(number),
                Element::List(list) => lists.push(list),
            }
        }
        match (numbers.is_empty(), lists.is_empty()) {
            (_, true) => Ok(LengthsEntry(Lengths::List(numbers))),
            (true, false) => Ok(LengthsEntry(Lengths::Lists(lists))),
            (false, false) => Err(D::Error::custom("numbers and lists of numbers in one list")),
        }
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Element, D::Error> {
        from.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a length, or a list of lengths")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Element, E> {
        let wrong = || E::custom(format!("length {number}, must not be negative"));
        usize::try_from(number).map(Element::Number).map_err(|_| wrong())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Element, E> {
        let wrong = || E::custom(format!("length {number} is too large"));
        usize::try_from(number).map(Element::Number).map_err(|_| wrong())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
        let mut lengths = Vec::new();
        while let Some(length) = list.next_element()? {
            lengths.push(length);
        }
        Ok(Element::List(lengths))
    }
}

#![doc = include_str!("../algorithm.md")]

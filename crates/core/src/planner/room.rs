//! Where the shards of stages go, when every device gets as much.
//!
//! ```text
//! coded      data shards on the data devices, parity on the spares
//! replicas   shard j on seat j, its copies on the seats behind, round and round
//! whole      one seat and its replicas; the next whole stage that does not
//!            read this one goes to the next seats
//! bands      a band on each seat, and with it those of as many seats behind it as
//!            there are spares
//! ```

use std::sync::Arc;

use quorate_code::SHARDS_MAX;
use quorate_model::division::bands::{Bands, spread};
use quorate_model::division::method::Method;
use quorate_model::division::whole::Whole;
use quorate_model::division::{Codable, Division};
use quorate_model::layer::Layer;
use quorate_model::stage::Stage;

use crate::plan::REPLICATION;

/// Where the shards of stages go.
pub(super) struct Room {
    seats: usize,
    spares: usize,
    /// First seat of the whole stages at hand.
    first: usize,
    /// First seat of those after them.
    next: usize,
    /// Values that whole stages on these seats make.
    whole: Vec<usize>,
}

/// A stage divided, and the seats of its shards.
pub(super) struct Placed {
    pub division: Arc<dyn Division>,
    pub code: &'static str,
    pub data: Vec<usize>,
    pub parity: Vec<usize>,
    pub replicas: Vec<usize>,
}

impl Room {
    pub(super) fn new(seats: usize, spares: usize) -> Room {
        Room { seats, spares, first: 0, next: 0, whole: Vec::new() }
    }

    /// Divides `stage`, whose value has this `shape`, by `method` and gives its shards
    /// seats.
    pub(super) fn place(&mut self, stage: &Stage, shape: &[usize], method: Method) -> Placed {
        match stage.layer() {
            _ if method == Method::Bands => self.bands(shape),
            Some(layer) if method.facts().codable != Codable::No => self.coded(layer, method),
            Some(layer) if method != Method::Whole => self.replicas(layer, method),
            _ => self.whole(stage),
        }
    }

    /// So many seats from `first` on, round and round.
    fn round(&self, first: usize, count: usize) -> Vec<usize> {
        (first..first + count).map(|seat| seat % self.seats).collect()
    }

    /// One seat and its replicas.
    fn whole(&mut self, stage: &Stage) -> Placed {
        if !stage.reads.iter().any(|read| self.whole.contains(read)) {
            self.whole.clear();
            self.first = self.next;
            self.next = (self.first + 1 + self.spares) % self.seats;
        }
        self.whole.push(stage.value);
        let mut data = self.round(self.first, self.spares + 1);
        let replicas = data.split_off(1);
        let code = self.copies();
        Placed { division: Arc::new(Whole), code, data, parity: Vec::new(), replicas }
    }

    /// Data shards on the data devices, parity on the spares: none, the
    /// paper's sum, MDS.
    fn coded(&self, layer: &Layer, method: Method) -> Placed {
        let data = self.seats - self.spares;
        let division = (method.facts().even)(layer, data, self.spares > 0);
        let code = match self.spares {
            0 => "none",
            1 => "sum",
            _ => "mds",
        };
        let parity = (data..self.seats).collect();
        let data = (0..division.shards()).collect();
        Placed { division, code, data, parity, replicas: Vec::new() }
    }

    /// Terms over all devices, each with as many copies as there are spares.
    fn replicas(&self, layer: &Layer, method: Method) -> Placed {
        let most = self.seats.min(SHARDS_MAX / (self.spares + 1));
        let division = (method.facts().even)(layer, most, false);
        let n = division.shards();
        let replicas = (1..=self.spares).flat_map(|copy| self.round(copy, n)).collect();
        let code = self.copies();
        Placed { division, code, data: (0..n).collect(), parity: Vec::new(), replicas }
    }

    /// Bands over all devices, each with those of as many behind it as there are
    /// spares; all of a value that has no area.
    fn bands(&self, shape: &[usize]) -> Placed {
        let area = shape.get(2..).filter(|area| !area.is_empty()).unwrap_or(&[1]);
        let (data, boxes) = spread(area, self.seats, self.spares).into_iter().unzip();
        let division = Arc::new(Bands::new(boxes));
        Placed { division, code: "none", data, parity: Vec::new(), replicas: Vec::new() }
    }

    /// The code where spares hold copies.
    fn copies(&self) -> &'static str {
        if self.spares == 0 { "none" } else { REPLICATION }
    }
}

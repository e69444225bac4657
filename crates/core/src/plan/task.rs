//! The names of task files.

use quorate_model::division;

use super::allocation::Plan;
use super::stage::Stage;
use crate::hash::sha256_hex;
use crate::id::StageId;

/// File stem of the last glue.
pub const OUTPUT_TASK: &str = "output";

impl Plan {
    /// File stem of a task, the same for equal tasks of several plans: the
    /// stage's name, the number of the value that it makes, and the part.
    pub fn task_stem(&self, stage: StageId, shard: usize) -> String {
        let Stage { name, value, .. } = &self.stages[stage.index()];
        let sharding = self.stage_sharding(stage);
        let division = &*sharding.division;
        let part = match (sharding.data_of(shard), sharding.part(shard).terms()) {
            (None, Some(terms)) => {
                let term =
                    |(c, shard): &(f64, usize)| format!("({c:?}, {})", division.extent(*shard));
                let terms: Vec<String> = terms.iter().map(term).collect();
                let hash = short_hash(&format!("[{}]", terms.join(", ")));
                format!("{}{}-{hash}", division.parity_prefix(), sharding.code.name())
            }
            (data, _) => division::stem(division, data.unwrap_or(0)),
        };
        // The same part is another task where it is given only what it reads.
        let cut = if self.is_cut(stage, shard) { ".cut" } else { "" };
        format!("{}.{}.{part}{cut}", plain(name), value.0)
    }

    /// Is the task of this shard given only what it reads?
    pub(crate) fn is_cut(&self, stage: StageId, shard: usize) -> bool {
        let reads = &self.stages[stage.index()].reads;
        reads.iter().any(|value| self.part_read(stage, shard, *value).is_some())
    }
}

/// A stage's name with nothing in it that a file name may not have.
fn plain(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.len() <= 80 && !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    let short: String = name.chars().filter(|c| plain(*c)).take(40).collect();
    format!("{short}-{}", short_hash(name))
}

fn short_hash(text: &str) -> String {
    sha256_hex(text.as_bytes())[..8].to_owned()
}

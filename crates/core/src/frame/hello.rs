//! Introductions: the first frame on a connection.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::{bounded, need, read_run, write_run};
use crate::id::{GatewayRun, PlanId};

const NAME_BYTES_MAX: usize = 64;
const PLANS_MAX: usize = 128;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gateway, with its run.
    Gateway(GatewayRun),
    /// A worker.
    Worker,
}

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Gateway or worker.
    pub role: Role,
    /// The device's name as in the plan file; empty for a gateway.
    pub name: String,
    /// Plans that the sender's bundle holds.
    pub plans: Vec<PlanId>,
}

impl Hello {
    pub(super) fn write(&self, out: &mut BytesMut) {
        assert!(self.name.len() <= NAME_BYTES_MAX && self.plans.len() <= PLANS_MAX);
        let (role, run) = match self.role {
            Role::Worker => (0, GatewayRun { gateway: 0, epoch: 0 }),
            Role::Gateway(run) => (1, run),
        };
        out.put_u8(role);
        write_run(run, out);
        out.put_u8(self.name.len() as u8);
        out.put_slice(self.name.as_bytes());
        out.put_u16_le(self.plans.len() as u16);
        self.plans.iter().for_each(|plan| out.put_u64_le(plan.0));
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Hello, FrameError> {
        need(bytes, 18)?;
        let role = bytes.get_u8();
        let run = read_run(bytes);
        let role = match role {
            0 => Role::Worker,
            1 => Role::Gateway(run),
            got => return Err(FrameError::Field { what: "role", got: got.into(), limit: 1 }),
        };
        let length = bounded("name length", bytes.get_u8().into(), NAME_BYTES_MAX)?;
        need(bytes, length + 2)?;
        let name = bytes.split_to(length);
        let name = std::str::from_utf8(&name).map_err(|_| FrameError::Text)?.to_owned();
        let plans = bounded("number of plans", bytes.get_u16_le().into(), PLANS_MAX)?;
        need(bytes, plans * 8)?;
        let plans = (0..plans).map(|_| PlanId(bytes.get_u64_le())).collect();
        Ok(Hello { role, name, plans })
    }
}

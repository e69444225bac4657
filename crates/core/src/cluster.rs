//! The devices that a plan is for: their names, where they listen, and what
//! they can do where that is known.

mod delay;
mod figure;
mod network;
mod port;
mod profile;

pub use self::{
    delay::Delay,
    figure::FigureError,
    network::Network,
    port::{Nanos, Port, Span},
    profile::{Profile, Rates},
};
use crate::id::{DeviceId, DeviceSet};

/// Folder of the gateway in a bundle; no device may have this name.
pub const GATEWAY_FOLDER: &str = "gateway";

const NAME_BYTES_MAX: usize = 63;

/// A machine with a worker on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where its worker listens, `host:port`.
    pub address: String,
    /// What it can do, if known.
    pub profile: Option<Profile>,
}

/// Why devices make no cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClusterError {
    #[error("{got} devices, needs 1 to {}", DeviceSet::MAX)]
    Count { got: usize },
    #[error("{addresses} addresses for {devices} devices")]
    Addresses { addresses: usize, devices: usize },
    #[error(
        "device name \"{name}\": up to {NAME_BYTES_MAX} letters, digits, - _ and . beginning with \
         a letter or digit"
    )]
    Name { device: usize, name: String },
    #[error("device name {name} is taken by the gateway")]
    Gateway { device: usize, name: String },
    #[error("device {name} is listed twice")]
    Twice { device: usize, name: String },
    #[error("address \"{address}\" of {name} is not host:port")]
    Address { device: usize, name: String, address: String },
    #[error("{name} and {other} share the address {address}")]
    Shared { device: usize, name: String, other: String, address: String },
}

/// What of a cluster is wrong, to find it in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterPart {
    /// The list of devices.
    Devices,
    /// A device's name.
    Name(usize),
    /// A device's address.
    Address(usize),
}

impl ClusterError {
    /// Where the mistake is.
    pub(crate) fn part(&self) -> ClusterPart {
        match *self {
            ClusterError::Count { .. } | ClusterError::Addresses { .. } => ClusterPart::Devices,
            ClusterError::Name { device, .. }
            | ClusterError::Gateway { device, .. }
            | ClusterError::Twice { device, .. } => ClusterPart::Name(device),
            ClusterError::Address { device, .. } | ClusterError::Shared { device, .. } => {
                ClusterPart::Address(device)
            }
        }
    }
}

/// Devices that were checked: every name and address is right and unique.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    devices: Vec<Device>,
}

impl Cluster {
    /// A cluster of these devices.
    pub(crate) fn new(devices: Vec<Device>) -> Result<Cluster, ClusterError> {
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        check_names(&names)?;
        (0..devices.len()).try_for_each(|device| check_address(&devices, device))?;
        Ok(Cluster { devices })
    }

    /// Devices of these names at these addresses.
    pub fn of(names: &[String], addresses: &[String]) -> Result<Cluster, ClusterError> {
        if addresses.len() != names.len() {
            let (addresses, devices) = (addresses.len(), names.len());
            return Err(ClusterError::Addresses { addresses, devices });
        }
        let device = |(name, address): (&String, &String)| Device {
            name: name.clone(),
            address: address.clone(),
            profile: None,
        };
        Cluster::new(names.iter().zip(addresses).map(device).collect())
    }

    /// The same devices at other addresses, one each.
    pub fn at(&self, addresses: &[String]) -> Result<Cluster, ClusterError> {
        if addresses.len() != self.devices.len() {
            let (addresses, devices) = (addresses.len(), self.devices.len());
            return Err(ClusterError::Addresses { addresses, devices });
        }
        let moved = |(device, address): (&Device, &String)| Device {
            address: address.clone(),
            ..device.clone()
        };
        Cluster::new(self.devices.iter().zip(addresses).map(moved).collect())
    }

    /// The devices, each at the place that its [`DeviceId`] says.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The devices' names, in their order.
    pub fn names(&self) -> Vec<String> {
        self.devices.iter().map(|device| device.name.clone()).collect()
    }

    /// The device of this name.
    pub fn find(&self, name: &str) -> Option<DeviceId> {
        self.devices.iter().position(|d| d.name == name).map(|i| DeviceId(i as u8))
    }

    /// Every device.
    pub(crate) fn everybody(&self) -> DeviceSet {
        DeviceSet::first(self.devices.len())
    }
}

/// Can devices have these names?
pub(crate) fn check_names(names: &[&str]) -> Result<(), ClusterError> {
    if names.is_empty() || names.len() > DeviceSet::MAX {
        return Err(ClusterError::Count { got: names.len() });
    }
    (0..names.len()).try_for_each(|device| check_name(names, device))
}

fn check_name(names: &[&str], device: usize) -> Result<(), ClusterError> {
    let name = names[device].to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > NAME_BYTES_MAX || !starts || !name.chars().all(plain) {
        return Err(ClusterError::Name { device, name });
    }
    if name == GATEWAY_FOLDER {
        return Err(ClusterError::Gateway { device, name });
    }
    if names[..device].contains(&name.as_str()) {
        return Err(ClusterError::Twice { device, name });
    }
    Ok(())
}

fn check_address(devices: &[Device], device: usize) -> Result<(), ClusterError> {
    let Device { name, address, .. } = devices[device].clone();
    if !is_host_and_port(&address) {
        return Err(ClusterError::Address { device, name, address });
    }
    match devices[..device].iter().find(|other| other.address == address) {
        Some(other) => {
            Err(ClusterError::Shared { device, name, other: other.name.clone(), address })
        }
        None => Ok(()),
    }
}

/// `host:port` with a port from 1 and a host that is not empty.
fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn mistakes_are_named() {
        let many: Vec<String> = (0..65).map(|i| format!("d{i}")).collect();
        let ports: Vec<String> = (1..66).map(|i| format!("h:{i}")).collect();
        let cases: [(&[String], &[String], &str); 8] = [
            (&[], &[], "0 devices, needs 1 to 64"),
            (&many, &ports, "65 devices, needs 1 to 64"),
            (&names(&["a"]), &[], "0 addresses for 1 devices"),
            (&names(&["-a"]), &names(&["h:1"]), "device name \"-a\""),
            (&names(&["gateway"]), &names(&["h:1"]), "taken by the gateway"),
            (&names(&["a", "a"]), &names(&["h:1", "h:2"]), "device a is listed twice"),
            (&names(&["a"]), &names(&["h:0"]), "address \"h:0\" of a is not host:port"),
            (&names(&["a", "b"]), &names(&["h:1", "h:1"]), "b and a share the address h:1"),
        ];
        for (names, addresses, message) in cases {
            let error = Cluster::of(names, addresses).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn devices_move() {
        let cluster = Cluster::of(&names(&["a", "b"]), &names(&["h:1", "h:2"])).unwrap();
        assert_eq!(cluster.find("b"), Some(DeviceId(1)));
        assert_eq!(cluster.everybody(), DeviceSet::first(2));
        let moved = cluster.at(&names(&["i:1", "i:2"])).unwrap();
        assert_eq!(moved.devices()[1].address, "i:2");
        assert!(cluster.at(&names(&["i:1"])).is_err());
    }
}

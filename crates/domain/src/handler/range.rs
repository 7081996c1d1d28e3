//! Addresses that may be called: public ones, and the ranges that a definition names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    base: IpAddr,
    bits: u8,
}

/// The text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a range is an address and the bits that it begins with, as in 10.0.0.0/8")]
pub struct NoRange;

impl IpRange {
    /// Whether the address lies in it. An IPv4 address that comes as IPv6 (`::ffff:10.0.0.1`) is what
    /// it stands for.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(other)) => same(
                base.to_bits().into(),
                other.to_bits().into(),
                32 - self.bits,
            ),
            (IpAddr::V6(base), IpAddr::V6(other)) => {
                same(base.to_bits(), other.to_bits(), 128 - self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether two numbers are equal but for their last bits.
fn same(one: u128, other: u128, last: u8) -> bool {
    (one ^ other).checked_shr(last.into()).unwrap_or(0) == 0
}

impl FromStr for IpRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_no_address| NoRange)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_no_number| NoRange)?,
        };
        if bits <= most {
            Ok(Self { base, bits })
        } else {
            Err(NoRange)
        }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// IPv4 ranges that lead to no public host. Source: IANA IPv4 Special-Purpose Address Registry, and
/// multicast.
const CLOSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// IPv6 ranges within the public `2000::/3` that lead to no public host, or to one behind a tunnel
/// whose end nobody has looked at. Source: IANA IPv6 Special-Purpose Address Registry.
const CLOSED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether the address is one of the public internet: not of this machine, of a private network, of
/// a provider's inside, of a cloud's metadata service, of a tunnel.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let lies_in = |base: IpAddr, bits| IpRange { base, bits }.contains(address);
    match address.to_canonical() {
        IpAddr::V4(_) => !CLOSED_V4
            .iter()
            .any(|(base, bits)| lies_in((*base).into(), *bits)),
        IpAddr::V6(_) => {
            let open = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);
            lies_in(open.into(), 3)
                && !CLOSED_V6
                    .iter()
                    .any(|(base, bits)| lies_in((*base).into(), *bits))
        }
    }
}

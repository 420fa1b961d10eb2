//! Sources: which addresses belong to one another.
//!
//! An IPv4 address stands for itself. Of IPv6 a home has a /64 at least and may use each address in it once, and one customer may have
//! a /48 with 65,536 of those. What limits a pace counts by the smaller, so that neighbours are told apart; what shares out among many
//! counts by the larger, so that nobody is many.

use std::net::{IpAddr, Ipv6Addr};

/// What one home has at least.
pub const HOME_BITS: u32 = 64;
/// What one customer has at most.
pub const SITE_BITS: u32 = 48;

/// The network that an address is in, which has so many bits if it is one of IPv6. IPv4 in IPv6 is IPv4.
pub fn network(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let others = u128::MAX.checked_shr(bits).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !others).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_cut_to_its_network() {
        for (address, bits, expected) in [
            ("2001:db8:1:2:3::4", HOME_BITS, "2001:db8:1:2::"),
            ("2001:db8:1:2:3::4", SITE_BITS, "2001:db8:1::"),
            ("2001:db8:1:2:3::4", 128, "2001:db8:1:2:3::4"),
            ("192.0.2.7", HOME_BITS, "192.0.2.7"),
            ("::ffff:192.0.2.7", SITE_BITS, "192.0.2.7"),
        ] {
            let [address, expected]: [IpAddr; 2] = [address, expected].map(|text| text.parse().unwrap());
            assert_eq!(network(address, bits), expected);
        }
    }
}

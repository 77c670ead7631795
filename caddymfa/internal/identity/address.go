package identity

import "net/netip"

// ClientNetwork returns the network by which a client is counted, as the text
// of an IPv4 address or of an IPv6 /64: whoever has one address of a /64 has
// them all (RFC 6177). IPv4 in an IPv6 address (::ffff:192.0.2.1) is the IPv4
// address, and a zone does not count.
//
// address is one IP address without a port, as Caddy resolves the client's.
// Everything that is no address gives "", so that all of it is counted
// together.
func ClientNetwork(address string) string {
	client, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if client = client.Unmap(); client.Is4() {
		return client.String()
	}
	return netip.PrefixFrom(client, 64).Masked().String() // which has no zone
}

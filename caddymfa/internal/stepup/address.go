package stepup

import (
	"context"
	"net/netip"
)

// chargeAddress counts what anybody can have us ask OneLogin without having
// logged in: a start for a name that was typed, a password. Every such thing is
// counted before, so the calls that one address can cost are bounded.
func (e *Engine) chargeAddress(ctx context.Context, d Demand) (balance, error) {
	return e.charge(ctx, addressSubject(d.Address), e.limits.strangers())
}

// refuseAddress shows c to somebody whose address has done too much.
func (e *Engine) refuseAddress(ctx context.Context, d Demand, c challenge, name string, left balance) Result {
	r := e.tell(ctx, d, c, Event{Name: EventAddressLimited, Notice: AddressLimited, Address: d.Address}, name)
	r.RetryAt = left.retryAt
	return r
}

// addressSubject is what is counted by: an IPv4 address, or the /64 of an IPv6
// address, all of which belong to one subscriber. Whatever is no address, and
// none at all, are one.
func addressSubject(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "address unknown"
	}
	ip = ip.Unmap()
	if ip.Is4() {
		return "address " + ip.String()
	}
	network, _ := ip.WithZone("").Prefix(64) // an IPv6 address has 128 bits
	return "address " + network.String()
}

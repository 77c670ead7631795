package simulator

import "net/http"

// edgeFault returns the answer of the proxy in front of OneLogin, or of its
// quota, when a switch asks for one. The call then has no effect.
func (c *call) edgeFault() (reply, bool) {
	switch {
	case c.switches.Edge429 > 0 && c.number >= c.switches.Edge429:
		return edgePage(http.StatusTooManyRequests, pageEdge429), true
	case c.switches.HTML502:
		return edgePage(http.StatusBadGateway, page502), true
	case c.switches.Quota429:
		quota := quotaSpent()
		quota.header = http.Header{"X-Ratelimit-Limit": {"5000"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"206"}}
		return quota, true
	}
	return reply{}, false
}

func edgePage(status int, page string) reply {
	return reply{
		status: status, raw: page, contentType: "text/html", fromEdge: true,
		header: http.Header{"Cache-Control": {"no-cache"}, "Connection": {"close"}},
	}
}

// quota counts the calls to version 1 in one clock hour.
type quota struct {
	hour int64
	used int
}

// charge counts a call to version 1 and reports whether the hour had one left.
// The other version costs nothing: in recordings its calls never lowered the
// remaining number.
func (s *Simulator) charge(c *call) bool {
	limit := c.switches.hourlyCalls()
	left := s.remaining(c)
	if left > 0 {
		s.quota.used++
	}
	c.remaining = min(limit, max(0, left-1))
	return left > 0
}

// remaining returns how many calls to version 1 this hour has left.
func (s *Simulator) remaining(c *call) int {
	if hour := c.now.Unix() / 3600; hour != s.quota.hour {
		s.quota = quota{hour: hour}
	}
	return max(0, c.switches.hourlyCalls()-s.quota.used)
}

func quotaSpent() reply { return errorA(http.StatusTooManyRequests, "Rate limit exceeded") }

// hourlyCalls is how many calls to version 1 an hour has.
func (w Switches) hourlyCalls() int {
	if w.Quota > 0 {
		return w.Quota
	}
	return 5000
}

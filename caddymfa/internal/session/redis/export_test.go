package redis

import "time"

// SetNow has the store live by another clock. It is for a store that nobody
// uses yet.
func (s *Store) SetNow(now func() time.Time) { s.now = now }

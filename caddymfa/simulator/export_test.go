package simulator

import "time"

// CodeOf is what an authenticator with this secret shows.
func CodeOf(secret []byte, now time.Time) string { return totp(secret, now, 6) }

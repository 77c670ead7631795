// Package onelogin is a small typed client of OneLogin's HTTP API: users, the
// devices they enrolled, and verifications (one attempt to prove one factor);
// beside them enrolment, temporary codes, Smart MFA and the session login,
// which a caller uses only where an operator has asked for it.
//
// It is plumbing. It decides what an answer of OneLogin means and nothing
// else: whom to ask, how often, and whether that is enough is the caller's.
//
// Three rules hold everywhere:
//
//   - HTTP 200 is not success. A verification is [Accepted] only when the body
//     has one of two known shapes and names no other record than the one asked
//     about (docs/onelogin.md, Verdicts).
//   - What sends a message, tries a code or a password, or makes something
//     ([Client.Activate], [Client.Verify], [Client.Login], …) is sent once,
//     whatever the answer. What only reads is repeated once after a 401 that
//     was due to a dead access token, proven by a different one in its place.
//   - An error means that we could not tell. Wrong codes, refusals and users
//     that do not exist are values.
//
// Every request counts against an hourly budget ([Client.Budget]); when that is
// spent, calls fail without one. So they do while OneLogin is out of order or
// throttles ([Client.State]), and when too many are under way.
//
// Nothing is logged here, and what carries a secret prints as "[redacted]".
// Error texts hold words of this package, a status code and OneLogin's request
// id; never OneLogin's own words, never a code, an access token, a secret, a
// name or an address.
package onelogin

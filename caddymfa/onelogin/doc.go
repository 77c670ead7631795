// Package onelogin is a small typed client of OneLogin's HTTP API: users, the
// devices they enrolled, and verifications (one attempt to prove one factor).
//
// It is plumbing. It decides what an answer of OneLogin means and nothing
// else: whom to ask, how often, and whether that is enough is the caller's.
//
// Three rules hold everywhere:
//
//   - HTTP 200 is not success. A verification is [Accepted] only when the body
//     has one of two known shapes and names no other record than the one asked
//     about (docs/onelogin.md, Verdicts).
//   - What sends a message or tries a code ([Client.Activate],
//     [Client.Verify]) is sent once. It is repeated only after a 401 that was
//     due to a dead access token, proven by a different one in its place.
//   - An error means that we could not tell. Wrong codes, refusals and users
//     that do not exist are values.
//
// Nothing is logged here. Error texts hold words of this package, a status
// code and OneLogin's request id; never OneLogin's own words, never a code, an
// access token, a secret, a name or an address.
package onelogin

// Package conformance holds the simulator against clients that nobody here
// wrote: OneLogin's own SDKs for Go and for Node. It is a module of its own, so
// that the Go SDK stays out of the project's dependencies. Run it with
//
//	go test ./...
//
// in this directory. It shows that paths, credentials, statuses and shapes of
// the simulator are what those clients expect. It shows nothing about verdicts,
// because the SDKs do not read them.
//
// The Node SDK is installed with npm ci into a temporary directory. Without
// Node that test is skipped, or fails if CADDYMFA_REQUIRE_NODE is 1.
package conformance

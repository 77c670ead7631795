// Package conformance holds the simulator against a client that nobody here
// wrote: OneLogin's own Go SDK. It is a module of its own, so that the SDK
// stays out of the project's dependencies. Run it with
//
//	go test ./...
//
// in this directory. It shows that paths, credentials, statuses and shapes of
// the simulator are what that client expects. It shows nothing about verdicts,
// because the SDK does not read them.
package conformance

// Package simulator is a OneLogin that runs on a laptop: the part of the HTTP
// API that a step-up gateway calls, the phones of a few invented people, and
// switches for the ways in which OneLogin is known or suspected to deviate.
//
// It serves demos and tests. It is not OneLogin, keeps everything in memory,
// and protects nothing: whoever reaches [Simulator.Phone] can approve every
// push and read every code.
//
// The package was written from the facts in docs/onelogin.md and shares no
// code with the client in caddymfa/onelogin, so that each checks the other's
// reading of the same contract. What is guessed rather than known is listed in
// docs/simulator.md.
//
// A test usually needs [New], [Simulator.Transport] and the hooks
// [Simulator.Code], [Simulator.Approve] and [Simulator.Deny]. Time is
// time.Now plus what [Simulator.Advance] added, so the simulator follows the
// fake clock of testing/synctest.
package simulator

// Package e2e holds the journeys of people and programs through the demo.
//
// The tests build cmd/demo once and run it on free ports, each test with a
// demo of its own. People use a real Chromium; programs use net/http and curl.
// What reached the app is the oracle: a refusal counts as one only if the app
// saw no request.
//
// Where Chromium is missing the browser's tests are skipped, or fail if
// CADDYMFA_REQUIRE_BROWSER=1. CADDYMFA_SCREENSHOTS names a folder that gets a
// picture of every page in every state. The flag -update rewrites the pictures
// of the README.
package e2e

package onelogin

import "net/http"

// PrivateTransport is what a client uses that was given no transport.
func PrivateTransport() *http.Transport { return newTransport() }

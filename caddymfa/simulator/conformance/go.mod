module github.com/caddymfa/caddymfa/caddymfa/simulator/conformance

go 1.26.6

require (
	github.com/caddymfa/caddymfa v0.0.0
	github.com/onelogin/onelogin-go-sdk/v4 v4.7.0
)

replace github.com/caddymfa/caddymfa => ../../..

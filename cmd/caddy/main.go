// Command caddy is Caddy with its standard modules and caddymfa. It is what
// xcaddy.sh builds where xcaddy itself is not installed.
package main

import (
	// The zone database makes {time.…} placeholders and logs with zones work
	// on machines that have none.
	_ "time/tzdata"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddymfa/caddymfa/caddymfa"
)

func main() {
	caddycmd.Main()
}

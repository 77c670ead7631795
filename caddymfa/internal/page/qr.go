package page

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

const (
	// maxScan is the longest address, in bytes, that is drawn. Its symbol has
	// 65 modules to a side, which a phone still reads from a screen.
	maxScan = 367
	// quiet is the width of the empty border that scanners need, in modules
	// (ISO/IEC 18004).
	quiet = 4
)

// symbol is a QR code as one path of SVG, in which a module is one unit wide.
type symbol struct {
	Path string // a line through the middle of every run of dark modules
	Box  string // the view box with the quiet zone
}

// scan draws address, which has to be one that authenticator apps know. It
// returns nil for any other: a person is about to trust what it shows.
func scan(address string) *symbol {
	if len(address) > maxScan || !strings.HasPrefix(address, "otpauth://") {
		return nil
	}
	// The lowest level of correction: a screen has no stains, and larger
	// modules are worth more to a camera.
	code, err := qr.Encode(address, qr.L)
	if err != nil {
		return nil
	}
	side := code.Size + 2*quiet
	return &symbol{Path: runs(code), Box: fmt.Sprintf("%d %d %d %d", -quiet, -quiet, side, side)}
}

// runs writes each row as a move to its first dark module and then strokes and
// gaps by turns, which is a third of the length of one square per module.
func runs(code *qr.Code) string {
	var path strings.Builder
	for y := range code.Size {
		at := -1 // where the pen is; -1 = not yet in this row
		for x := 0; x < code.Size; {
			end := x
			for code.Black(end, y) {
				end++
			}
			if end == x {
				x++
				continue
			}
			if at < 0 {
				fmt.Fprintf(&path, "M%d %d.5", x, y)
			} else {
				fmt.Fprintf(&path, "m%d 0", x-at)
			}
			fmt.Fprintf(&path, "h%d", end-x)
			at, x = end, end
		}
	}
	return path.String()
}

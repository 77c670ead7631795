package caddymfa

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddymfa/caddymfa/caddymfa/internal/page"
)

// maxLogo bounds a logo file, in bytes: it travels inside every page.
const maxLogo = 16 << 10

// Brand is how the pages look.
type Brand struct {
	// Name is the organisation's name. Default: none; the page then names the
	// site alone.
	Name string `json:"name,omitempty"`

	// Logo is a PNG, JPEG or SVG file of at most 16 KiB. It is read when the
	// config is loaded; a changed file needs a reload with --force. Default:
	// none.
	Logo string `json:"logo,omitempty"`

	// Help is what a person who is stuck reads: whom to call, where to go.
	// Plain text. Default: a general sentence.
	Help string `json:"help,omitempty"`

	logo string // as a data: URI
}

func (b *Brand) load() error {
	if b == nil || b.Logo == "" {
		return nil
	}
	kind, ok := map[string]string{
		".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".svg": "svg+xml",
	}[strings.ToLower(filepath.Ext(b.Logo))]
	if !ok {
		return fmt.Errorf("brand: logo %s: want a .png, .jpg, .jpeg or .svg file", b.Logo)
	}
	image, err := os.ReadFile(b.Logo)
	if err != nil {
		return fmt.Errorf("brand: logo: %w", err)
	}
	if len(image) > maxLogo {
		return fmt.Errorf("brand: logo %s has %d bytes, at most %d are allowed", b.Logo, len(image), maxLogo)
	}
	b.logo = "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(image)
	return nil
}

// over returns the brand with b's own fields before those of the app's brand.
func (b *Brand) over(shared *Brand) page.Brand {
	var merged page.Brand
	for _, brand := range []*Brand{shared, b} {
		if brand == nil {
			continue
		}
		merged.Name = cmp.Or(brand.Name, merged.Name)
		merged.Logo = cmp.Or(brand.logo, merged.Logo)
		merged.Help = cmp.Or(brand.Help, merged.Help)
	}
	return merged
}

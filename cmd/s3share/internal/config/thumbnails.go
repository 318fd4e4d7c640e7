package config

import "fmt"

// Values of Settings.Thumbnails.
const (
	limitedThumbnails = "limited"
	// AllThumbnails: programs that make thumbnails, or index files, may download whole files.
	AllThumbnails = "all"
)

func setThumbnails(s *Settings, v string) error {
	s.Thumbnails = v
	return checkThumbnails(v)
}

func checkThumbnails(v string) error {
	if v != limitedThumbnails && v != AllThumbnails {
		return fmt.Errorf("%q is neither %q nor %q", v, limitedThumbnails, AllThumbnails)
	}
	return nil
}

package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// said is what the command line says about a mount.
type said struct {
	exchange string   // "" for the default one
	config   string   // of --config
	options  []string // of each -o
	flags    layer
}

// addFlags gives flags all that can be said about a mount.
func (c *said) addFlags(flags *pflag.FlagSet) {
	c.flags = addFlags(flags)
	flags.StringVar(&c.config, "config", "", "the config `FILE` (default: ~/.config/s3share/config.toml)")
	flags.StringArrayVarP(&c.options, "options", "o", nil, "mount options, a `LIST` with commas")
}

// resolve gathers the settings: flags go before -o, -o before the environment, the
// environment before the config file. A bucket that is named outside the config
// file needs none; then its default exchange is not looked at.
func (c said) resolve() (*settings, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	options, kernel, err := readOptions(c.options)
	if err != nil {
		return nil, err
	}
	s := defaults()
	file, asked, err := configPath(c.config)
	if err != nil && (asked || c.exchange != "") {
		return nil, err
	}
	named := len(env["bucket"])+len(options["bucket"])+len(c.flags["bucket"]) > 0
	if c.exchange != "" || asked || !named {
		if !asked {
			err = checkConfig(file)
		}
		if err == nil {
			err = readConfig(file, c.exchange, s)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, l := range []layer{env, options, c.flags} {
		if err := l.over(s); err != nil {
			return nil, misuse("", "%w", err)
		}
	}
	if s.Bucket == "" {
		return nil, misuse("write bucket = \"NAME\" into its table, or say --bucket",
			"the exchange %q of %s names no bucket", s.Exchange, file)
	}
	if _, err := s.privateNames(); err != nil {
		return nil, misuse("", "%w", err)
	}
	s.Kernel = kernel
	return s, nil
}

// target is where the mount's requests go.
func (s *settings) target() target {
	return target{bucket: s.Bucket, region: s.Region, endpoint: s.Endpoint, profile: s.Profile, owner: s.Owner}
}

// source is how mount(8) shows the mount.
func (s *settings) source() string {
	return fmt.Sprintf("%s%s", sourcePrefix, s.label())
}

// label is what people call the exchange.
func (s *settings) label() string {
	if s.Exchange != "" {
		return s.Exchange
	}
	return s.Bucket
}

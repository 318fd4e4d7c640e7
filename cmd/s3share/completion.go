package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3share/s3share/cmd/s3share/internal/config"
	"github.com/s3share/s3share/cmd/s3share/internal/mounts"
	"github.com/s3share/s3share/cmd/s3share/internal/service"
)

// completeFunc returns what a shell offers for the word that is being typed.
type completeFunc = cobra.CompletionFunc

// addCompletions tells the shells' completion scripts what there is to choose from: exchanges,
// the directories of mounts, AWS profiles, grants and mount options. Where a file may be meant
// the shell offers files as well.
func addCompletions(root *cobra.Command) {
	for name, complete := range map[string]completeFunc{
		"mount":   firstly(exchangeNames, cobra.ShellCompDirectiveFilterDirs),
		"unmount": firstly(mountpoints, cobra.ShellCompDirectiveFilterDirs),
		"recover": firstly(exchangeNames, cobra.ShellCompDirectiveNoFileComp),
		"doctor":  firstly(exchangesAndMounts, cobra.ShellCompDirectiveNoFileComp),
		"repair":  firstly(exchangesAndMounts, cobra.ShellCompDirectiveNoFileComp),
		"limit":   firstly(exchangesAndMounts, cobra.ShellCompDirectiveNoFileComp),
		"pause":   firstly(exchangesAndMounts, cobra.ShellCompDirectiveFilterDirs),
		"resume":  firstly(exchangesAndMounts, cobra.ShellCompDirectiveFilterDirs),
		"login":   firstly(exchangesAndMounts, cobra.ShellCompDirectiveNoFileComp),
		"status":  firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"wait":    firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"retry":   firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"watch":   firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"init": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveFilterDirs),
		"join": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveFilterDirs),
		"config list": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveNoFileComp),
		"config show":     firstly(exchangeNames, cobra.ShellCompDirectiveNoFileComp),
		"config remove":   firstly(exchangeNames, cobra.ShellCompDirectiveNoFileComp),
		"service install": firstly(exchangeNames, cobra.ShellCompDirectiveFilterDirs),
		"service remove":  firstly(unitNames, cobra.ShellCompDirectiveNoFileComp),
		"service status":  firstly(unitNames, cobra.ShellCompDirectiveNoFileComp),
		"receive": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveNoFileComp),
		"log":      firstly(exchangesAndMounts, cobra.ShellCompDirectiveDefault),
		"receipt":  firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"versions": firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"restore":  firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"verify":   firstly(mountpoints, cobra.ShellCompDirectiveDefault),
		"sent": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveNoFileComp),
		"version": firstly(func(*cobra.Command) []string { return nil },
			cobra.ShellCompDirectiveNoFileComp),
	} {
		if cmd, _, err := root.Find(strings.Fields(name)); err == nil && cmd != root {
			cmd.ValidArgsFunction = complete
		}
	}
	list := func(words func(*cobra.Command) []string) completeFunc {
		return func(cmd *cobra.Command, _ []string,
			typed string) ([]string, cobra.ShellCompDirective) {
			return beginning(words(cmd), typed), cobra.ShellCompDirectiveNoFileComp
		}
	}
	flags := map[string]completeFunc{
		"profile":   list(func(*cobra.Command) []string { return config.AWSProfiles() }),
		"exchange":  list(exchangesAndMounts),
		"grant":     list(func(*cobra.Command) []string { return grantNames() }),
		"ownership": list(func(*cobra.Command) []string { return ownershipNames }),
		"options":   completeOptions,
	}
	for _, cmd := range root.Commands() {
		for name, complete := range flags {
			if cmd.Flags().Lookup(name) != nil {
				// This fails only for a flag that does not exist.
				_ = cmd.RegisterFlagCompletionFunc(name, complete)
			}
		}
	}
}

// firstly offers words for the first argument, and then what the directive says.
func firstly(words func(*cobra.Command) []string, then cobra.ShellCompDirective) completeFunc {
	return func(cmd *cobra.Command, args []string,
		typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, then
		}
		found := beginning(words(cmd), typed)
		if len(found) == 0 {
			return nil, then
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// beginning are the words that begin with what is typed.
func beginning(words []string, typed string) []string {
	return slices.DeleteFunc(slices.Clone(words),
		func(w string) bool { return !strings.HasPrefix(w, typed) })
}

// exchangeNames are those of the config file that a command line names.
func exchangeNames(cmd *cobra.Command) []string {
	file := ""
	if f := cmd.Flags().Lookup("config"); f != nil {
		file = f.Value.String()
	}
	return config.ExchangeNames(file)
}

// unitNames are the exchanges that have a unit of systemd.
func unitNames(*cobra.Command) (names []string) {
	units, err := service.UnitsDir()
	if err != nil {
		return nil
	}
	all, _ := service.Installed(units)
	for _, u := range all {
		names = append(names, u.Exchange)
	}
	return names
}

// mountpoints are the directories where this user has mounted exchanges.
func mountpoints(*cobra.Command) (dirs []string) {
	all, err := mounts.All()
	if err != nil {
		return nil
	}
	for _, m := range all {
		if mounts.Owner(m) == os.Getuid() {
			dirs = append(dirs, m.Mountpoint)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

func exchangesAndMounts(cmd *cobra.Command) []string {
	return append(exchangeNames(cmd), mountpoints(cmd)...)
}

// completeOptions offers names for the last one of a list of mount options.
func completeOptions(_ *cobra.Command, _ []string,
	typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var words []string
	for _, name := range config.OptionForms() {
		words = append(words, before+name)
	}
	return beginning(words,
		typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

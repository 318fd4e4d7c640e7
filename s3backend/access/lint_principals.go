package access

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A statement for everybody is public, unless a condition pins down who asks: by an
// operator that fails where its key is absent, and values without wildcards and variables.
// Source: Amazon S3 User Guide, "The meaning of public".

// pinning are the condition keys by which a statement for everybody is not public.
// Source: as above.
var pinning = map[string]string{
	"aws:principalorgid":    "of an organization",
	"aws:principalorgpaths": "of a part of an organization",
	"aws:principalaccount":  "of an account", "aws:principalarn": "by a name",
	"aws:userid":    "by a user's ID",
	"aws:sourcearn": "on behalf of a resource", "aws:sourceaccount": "on behalf of an account",
	"aws:sourceowner": "on behalf of an account", "aws:sourceorgid": "on behalf of an organization",
	"aws:sourcevpc":             "from a network (VPC), without credentials too",
	"aws:sourcevpce":            "from a VPC endpoint, without credentials too",
	"aws:sourceip":              "from a range of addresses, without credentials too",
	"s3:dataaccesspointaccount": "by the access points of an account, whose policies then decide",
	"s3:dataaccesspointarn":     "by access points, whose policies then decide",
	keyIDKey:                    "who may use a KMS key",
}

// keyIDKey pins down for S3 who may put, but not who may get.
const keyIDKey = "s3:x-amz-server-side-encryption-aws-kms-key-id"

// public reports whether a statement lets everybody in, as S3 sees it.
func (s Statement) public() bool {
	return s.Effect == Allow && (s.NotPrincipal != nil || s.Principal.everyone()) &&
		len(s.Condition.pins()) == 0
}

// pins are the keys that pin down who asks, sorted.
func (c Condition) pins() (keys []string) {
	for operator, of := range c {
		for key, values := range of {
			if key = strings.ToLower(key); pins(operator, key, values) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func pins(operator, key string, values Strings) bool {
	if pinning[key] == "" || len(values) == 0 {
		return false
	}
	if key == "aws:principalorgpaths" { // has several values, which another operator is for
		return (operator == "ForAnyValue:StringLike" || operator == "ForAnyValue:StringEquals") &&
			all(values, fixedOrgPath)
	}
	if key == "aws:sourceip" {
		return operator == "IpAddress" && fewAddresses(values)
	}
	switch operator {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike":
	default: // ...IfExists and ForAllValues hold where the key is absent
		return false
	}
	if key == "s3:dataaccesspointarn" {
		return all(values, fixedAccessPoint)
	}
	return all(values, fixed)
}

func all(values Strings, is func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !is(v) })
}

// fixed reports whether a value has no wildcard and no policy variable.
func fixed(v string) bool { return v != "" && !strings.ContainsAny(v, "*?$") }

// fixedOrgPath reports whether the path of an organization says which.
func fixedOrgPath(v string) bool {
	org, _, found := strings.Cut(v, "/")
	return found && strings.HasPrefix(org, "o-") && fixed(org)
}

// fixedAccessPoint reports whether the ARN of access points says whose.
func fixedAccessPoint(v string) bool {
	f := strings.SplitN(v, ":", 6)
	return len(f) == 6 && f[2] == "s3" && isAccountID(f[4])
}

// private are addresses that nobody has on the Internet (RFC 1918).
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// fewAddresses reports whether ranges are, together, no larger than a /8 of IPv4 or a /32
// of IPv6: S3 takes larger ones for everybody. Source: as above.
func fewAddresses(ranges Strings) bool {
	allOf4 := netip.MustParsePrefix("::ffff:0:0/96") // as IPv6
	var nets []netip.Prefix
	for _, text := range ranges {
		p, err := netip.ParsePrefix(text)
		if addr, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil || p.Addr().Is6() && p.Bits() <= allOf4.Bits() && p.Contains(allOf4.Addr()) {
			return false
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		nets = append(nets, p.Masked())
	}
	slices.SortFunc(nets, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var counted []netip.Prefix // nets overlap only where one contains the other
	var of4, of6 float64       // in /8 and /32
	for _, p := range nets {
		within := func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }
		if slices.ContainsFunc(private, within) || slices.ContainsFunc(counted, within) {
			continue
		}
		counted = append(counted, p)
		if p.Addr().Is4() {
			of4 += 1 / float64(uint64(1)<<p.Bits()) * (1 << 8)
		} else if p.Bits() < 32 {
			return false
		} else {
			of6 += 1 / float64(uint64(1)<<min(p.Bits()-32, 62))
		}
	}
	return of4 <= 1 && of6 <= 1
}

// bounded reports whether a statement for a service holds it to what the owner's own
// resources want of it: else anybody can have the service act for him.
func (c Condition) bounded() bool {
	for operator, of := range c {
		for key, values := range of {
			switch key = strings.ToLower(key); {
			case key == "aws:sourcearn" && (operator == "ArnLike" || operator == "StringLike" ||
				operator == "ArnEquals" || operator == "StringEquals"):
				if all(values, fixedSource) && len(values) > 0 {
					return true
				}
			case key == "aws:sourceaccount" || key == "aws:sourceowner" || key == "aws:sourceorgid":
				if pins(operator, key, values) {
					return true
				}
			}
		}
	}
	return false
}

// fixedSource reports whether the ARN of a resource says whose it is: by its account, or
// for a bucket, whose ARN has none, by its whole name.
func fixedSource(v string) bool {
	f := strings.SplitN(v, ":", 6)
	return len(f) == 6 && (isAccountID(f[4]) || fixed(v))
}

// checkPrincipal finds principals that an exchange does not need.
func (l Lint) checkPrincipal(s Statement, say func(Level, string, ...any)) {
	if s.NotPrincipal != nil {
		say(Wide, "it allows everybody but a few (NotPrincipal)")
		return
	}
	if s.Principal.everyone() {
		switch keys := s.Condition.pins(); {
		case len(keys) == 0:
			say(Wide, "it is public: it allows everybody")
		case slices.Equal(keys, []string{keyIDKey}):
			say(Wide, "it allows everybody %s", pinning[keyIDKey])
		default:
			say(Note, "it allows everybody who asks %s (%s), not only an account that it names",
				pinning[keys[0]], keys[0])
		}
	}
	if s.Principal == nil {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Principal.By)) {
		names := strings.Join(s.Principal.By[kind], ", ")
		switch kind {
		case "AWS":
			for _, name := range s.Principal.By[kind] {
				switch {
				case strings.Contains(name, ":iam::cloudfront:"):
					say(Wide,
						"it allows %s: a distribution of CloudFront, which can publish what it gets", name)
				case strings.Contains(name, ":federated-user/"):
					say(Wide,
						"it allows %s, a federated user, which an exchange does not need", name)
				}
			}
		case "Service":
			l.checkService(s, names, say)
		case "CanonicalUser":
			say(Wide, "it allows the canonical user %s, whose account cannot be seen", names)
		default:
			say(Wide, "it allows %s of the kind %s, which an exchange does not need", names, kind)
		}
	}
}

// checkService finds a service that may act in the bucket.
func (l Lint) checkService(s Statement, names string, say func(Level, string, ...any)) {
	switch {
	case !s.Condition.bounded():
		say(Wide,
			"it allows the service %s whoever it acts for: neither aws:SourceAccount nor aws:SourceArn says whose resources these are", names)
	case l.overlapsFolders(s):
		say(Wide, "it lets the service %s into the folders of the exchange", names)
	default:
		say(Note, "it allows the service %s, outside of the folders of the exchange", names)
	}
}

// principalForm is what S3 takes for an account, a user, a role or a session of one.
// Source: IAM User Guide, "AWS JSON policy elements: Principal".
var principalForm = regexp.MustCompile(
	`^(\d{12}|arn:aws[a-z-]*:(iam::(\d{12}:(root|(user|role)/.+)|cloudfront:user/.+)|sts::\d{12}:(assumed-role|federated-user)/.+))$`)

// serviceForm is what S3 takes for a service: s3.amazonaws.com, or of a region or partition.
// Source: as above, "AWS service principals".
var serviceForm = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.(com|com\.cn|eu)$`)

// checkNames finds principals that S3 would refuse.
func (l Lint) checkNames(p *Principal, wrong func(string)) {
	if p != nil {
		for _, name := range p.By["Service"] {
			if !serviceForm.MatchString(name) {
				wrong(fmt.Sprintf("AWS has no service %q", name))
			}
		}
	}
	for _, name := range p.awsNames() {
		switch {
		case deleted.MatchString(name):
			wrong(name + " is a user or role that was deleted")
		case strings.ContainsAny(name, "*?"):
			wrong(fmt.Sprintf("the principal %q has a wildcard, which S3 takes only as \"*\" alone",
				name))
		case !l.Elsewhere && !principalForm.MatchString(name):
			wrong(fmt.Sprintf("the principal %q is no account, user or role", name))
		}
	}
}

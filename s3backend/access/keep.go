package access

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Keep is for how long objects are kept, by lifecycle rules of ours. S3 deletes them then for
// good, whoever has put them. The zero value leaves that as it is.
type Keep struct {
	Said bool
	Days int32 // 0 is for ever
}

// Forever is how people say that objects are kept until somebody removes them.
const Forever = "forever"

// maxKeepDays is a hundred years.
const maxKeepDays = 36500

// ParseKeep reads for how long objects are kept: a number of days, like 90d, or forever.
func ParseKeep(text string) (Keep, error) {
	if text == Forever {
		return Keep{Said: true}, nil
	}
	number, inDays := strings.CutSuffix(text, "d")
	days, err := strconv.ParseInt(number, 10, 32)
	if err != nil || !inDays || days < 1 || days > maxKeepDays {
		return Keep{}, fmt.Errorf(
			"%q is no time to keep objects; write it in days, like 90d, or forever", text)
	}
	return Keep{Said: true, Days: int32(days)}, nil
}

// keepRuleIDs are the names of the rules of ours: S3 takes one prefix a rule.
var keepRuleIDs = [2]string{"s3share-keep-shared", "s3share-keep-delivered"}

// ourRule reports whether a lifecycle rule is of ours, by its name.
func ourRule(r types.LifecycleRule) bool {
	id := aws.ToString(r.ID)
	return id == abortRuleID || slices.Contains(keepRuleIDs[:], id)
}

// keepRules delete the objects of the two folders after some days. A version that was replaced
// or removed is deleted as many days after that.
func (s Setup) keepRules(days int32) (all []types.LifecycleRule) {
	for i, folder := range s.folders() {
		all = append(all, types.LifecycleRule{
			ID: aws.String(keepRuleIDs[i]), Status: types.ExpirationStatusEnabled,
			Filter: &types.LifecycleRuleFilter{Prefix: aws.String(folder +
				"/")},
			Expiration:                  &types.LifecycleExpiration{Days: aws.Int32(days)},
			NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(days)},
		})
	}
	return all
}

// errOtherKeep says that somebody has changed the rules of ours.
var errOtherKeep = errors.New("somebody has changed the rules " +
	strings.Join(keepRuleIDs[:], " and "))

// keepDays returns after how many days the rules of ours delete, 0 if there are none.
func (s Setup) keepDays(rules []types.LifecycleRule) (days int32, err error) {
	var have []types.LifecycleRule
	for _, r := range rules {
		if slices.Contains(keepRuleIDs[:], aws.ToString(r.ID)) {
			have = append(have, r)
		}
	}
	if len(have) == 0 {
		return 0, nil
	}
	if e := have[0].Expiration; e != nil {
		days = aws.ToInt32(e.Days)
	}
	for _, want := range s.keepRules(days) {
		if !slices.ContainsFunc(have,
			func(r types.LifecycleRule) bool { return sameKeepRule(r, want) }) {
			return 0, errOtherKeep
		}
	}
	return days, nil
}

// sameKeepRule reports whether a rule does what one of ours does, and no more.
func sameKeepRule(r, want types.LifecycleRule) bool {
	f, e, v := r.Filter, r.Expiration, r.NoncurrentVersionExpiration
	return aws.ToString(r.ID) == aws.ToString(want.ID) && r.Status == want.Status &&
		f != nil && f.And == nil && f.Tag == nil && f.ObjectSizeGreaterThan == nil &&
		f.ObjectSizeLessThan == nil &&
		aws.ToString(f.Prefix) == aws.ToString(want.Filter.Prefix) &&
		e != nil && e.Date == nil && aws.ToInt32(e.Days) == aws.ToInt32(want.Expiration.Days) &&
		v != nil && v.NewerNoncurrentVersions == nil &&
		aws.ToInt32(v.NoncurrentDays) == aws.ToInt32(
			want.NoncurrentVersionExpiration.NoncurrentDays) &&
		len(r.Transitions)+len(r.NoncurrentVersionTransitions) == 0 &&
		r.AbortIncompleteMultipartUpload == nil
}

// keepWords say what the rules of ours do.
func (p *Plan) keepWords(days int32) string {
	after := plural(int(days), "day", "days")
	if p.Setup.Versioning || p.Found.Versioning != "" {
		return fmt.Sprintf(
			"S3 deletes objects in %s/ and %s/ %s after they were put there, and their old versions for good %s later",
			p.Setup.Shared, p.Setup.Delivered, after, after)
	}
	return fmt.Sprintf("S3 deletes objects in %s/ and %s/ for good %s after they were put there",
		p.Setup.Shared, p.Setup.Delivered, after)
}

// planKeep returns the lifecycle rules with those of ours by which objects are deleted, and what
// there is to say of them, nil for nothing.
func (p *Plan) planKeep(rules []types.LifecycleRule) ([]types.LifecycleRule, *Step) {
	const what = "retention"
	has, err := p.Setup.keepDays(rules)
	keep := p.Setup.Keep
	others := slices.DeleteFunc(slices.Clone(rules), func(r types.LifecycleRule) bool {
		return slices.Contains(keepRuleIDs[:], aws.ToString(r.ID))
	})
	was := ""
	switch {
	case err != nil:
		was = " (" + err.Error() + ")"
	case has > 0 && has != keep.Days:
		was = " (now " + plural(int(has), "day", "days") + ")"
	}
	switch {
	case !keep.Said && err != nil:
		return rules, &Step{What: what, State: Done,
			Detail: err.Error() + "; --keep would replace them"}
	case !keep.Said && has == 0:
		return rules, nil
	case !keep.Said, err == nil && has == keep.Days && has > 0:
		return rules, &Step{What: what, State: Done, Detail: p.keepWords(has)}
	case keep.Days == 0 && err == nil && has == 0:
		return rules, &Step{What: what, State: Done, Detail: "no rule of s3share deletes objects"}
	case keep.Days == 0:
		return others, &Step{What: what,
			State: Change, Detail: "objects stay until somebody removes them" + was}
	}
	if err != nil || has == 0 || keep.Days < has {
		p.Deletes = p.keepWords(keep.Days) + "; those that are older already go within a few days"
	}
	return append(others, p.Setup.keepRules(keep.Days)...), &Step{What: what, State: Change,
		Detail: p.keepWords(keep.Days) + was}
}

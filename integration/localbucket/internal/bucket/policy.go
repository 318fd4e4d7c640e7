package bucket

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// rule is what one statement of a policy allows the client.
type rule struct {
	actions []string
	on      string // "" the bucket itself, else a pattern of keys
}

var (
	list = rule{[]string{"s3:ListBucket", "s3:GetBucketLocation"}, ""}
	// AWS asks for PutObjectAcl where a put carries an ACL.
	put = []string{"s3:PutObject", "s3:PutObjectAcl"}
	get = []string{"s3:GetObject"}
)

// policies are the client's rights by the name of the policy.
var policies = map[string][]rule{
	"article": {list, {slices.Concat(get, put), "*"}},
	"dropbox": {list, {put, "*"}},
	"folders": {list, {put, "Delivery/*"}, {get, "Delivery/*"}, {get, "Submissions/*"}},
	"full":    {list, {slices.Concat(get, put, []string{"s3:DeleteObject"}), "*"}},
}

// Policies are the names that Policy takes, sorted.
func Policies() []string {
	names := make([]string, 0, len(policies))
	for name := range policies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// partition is that of an ARN.
func partition(arn string) string {
	if f := strings.SplitN(arn, ":", 3); len(f) == 3 && f[1] != "" {
		return f[1]
	}
	return "aws"
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string][]string
	Action    []string
	Resource  []string
}

// Policy returns the named policy on bucket for the client with this principal.
func Policy(name, bucket, principal string) (string, error) {
	rules, ok := policies[name]
	if !ok {
		return "", fmt.Errorf("no policy %q; there are %s", name, strings.Join(Policies(), ", "))
	}
	var statements []statement
	for i, r := range rules {
		resource := "arn:" + partition(principal) + ":s3:::" + bucket
		if r.on != "" {
			resource += "/" + r.on
		}
		statements = append(statements, statement{
			Sid:       fmt.Sprintf("Client%d", i+1),
			Effect:    "Allow",
			Principal: map[string][]string{"AWS": {principal}},
			Action:    r.actions,
			Resource:  []string{resource},
		})
	}
	doc, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	if err != nil {
		return "", fmt.Errorf("write policy: %w", err)
	}
	return string(doc), nil
}

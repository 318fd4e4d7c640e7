package access

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ErrOnlyAWS says that other tools' descriptions are about AWS.
var ErrOnlyAWS = errors.New("Terraform and CloudFormation describe AWS, and this server is not AWS")

// hcl writes Terraform's configuration.
type hcl struct{ strings.Builder }

func (h *hcl) line(format string, args ...any) { fmt.Fprintf(h, format+"\n", args...) }

func (h *hcl) comment(text string) {
	for l := range strings.Lines(text) {
		h.line("# %s", strings.TrimRight(l, "\n"))
	}
}

// resource writes a block for the bucket; each line of body is one of it.
func (h *hcl) resource(kind string, body ...string) {
	h.line("")
	h.line("resource %q %q {", kind, "exchange")
	if kind != "aws_s3_bucket" {
		h.line("  bucket = aws_s3_bucket.exchange.id")
	}
	for _, l := range body {
		h.line("  %s", l)
	}
	h.line("}")
}

// quoted is a string as HCL writes it: ${ and %{ would begin something else.
func quoted(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(fmt.Sprintf("%q", s))
}

// Terraform is the plan as configuration for Terraform 1.5 and the AWS provider 5,
// with what is there already to be imported.
func (p *Plan) Terraform() (string, error) {
	if p.Setup.Elsewhere {
		return "", ErrOnlyAWS
	}
	h := &hcl{}
	h.comment("The exchange " + p.Setup.Bucket + ", as s3share init sets it up.")
	if p.Found.Exists {
		h.comment("The bucket is there already: terraform plan shows what would change.")
		h.line("")
		h.line("import {")
		h.line("  to = aws_s3_bucket.exchange")
		h.line("  id = %s", quoted(p.Setup.Bucket))
		h.line("}")
	}
	lines := []string{"bucket = " + quoted(p.Setup.Bucket)}
	if RegionOfName(p.Setup.Bucket) != "" { // hashicorp/aws 6.37.0 and later
		lines = append(lines,
			"bucket_namespace = "+quoted(string(types.BucketNamespaceAccountRegional)))
	}
	h.resource("aws_s3_bucket", lines...)
	if p.staysPublic() {
		h.line("")
		h.comment("The policy has a public statement, so Block Public Access is left out.")
	} else {
		h.blockPublicAccess()
	}
	h.resource("aws_s3_bucket_ownership_controls", "rule {",
		"  object_ownership = "+quoted(string(ownershipNames[p.Setup.Ownership])), "}")
	h.encryption(p.encryption)
	h.lifecycle(p)
	if p.Setup.Versioning || p.Found.Versioning == types.BucketVersioningStatusEnabled {
		h.resource("aws_s3_bucket_versioning", "versioning_configuration {",
			`  status = "Enabled"`, "}")
	}
	h.line("")
	h.line(`resource "aws_s3_object" "folder" {`)
	h.line("  for_each = toset([%s, %s])", quoted(p.Setup.Shared+"/"),
		quoted(p.Setup.Delivered+"/"))
	h.line("  bucket   = aws_s3_bucket.exchange.id")
	h.line("  key      = each.value")
	h.line(`  content  = ""`)
	h.line("}")
	h.policy(p)
	if p.needsKey() {
		h.line("")
		h.comment("The policy of the key needs this statement:\n" + p.keyStatement().String())
	}
	h.line("")
	h.comment("The client runs:\n    s3share join " + p.Invitation().String())
	return h.String(), nil
}

func (h *hcl) blockPublicAccess() {
	h.resource("aws_s3_bucket_public_access_block", "block_public_acls       = true",
		"block_public_policy     = true",
		"ignore_public_acls      = true", "restrict_public_buckets = true")
}

func (h *hcl) encryption(r types.ServerSideEncryptionRule) {
	d := r.ApplyServerSideEncryptionByDefault
	if d == nil {
		return
	}
	body := []string{"rule {"}
	if isTrue(r.BucketKeyEnabled) {
		body = append(body, "  bucket_key_enabled = true")
	}
	body = append(body, "  apply_server_side_encryption_by_default {",
		"    sse_algorithm     = "+quoted(string(d.SSEAlgorithm)))
	if key := aws.ToString(d.KMSMasterKeyID); key != "" {
		body = append(body, "    kms_master_key_id = "+quoted(key))
	}
	h.resource("aws_s3_bucket_server_side_encryption_configuration", append(body, "  }", "}")...)
}

// lifecycle writes the rules of ours. The resource would remove all others, so where
// there are some it is left to who has them.
func (h *hcl) lifecycle(p *Plan) {
	if !p.onlyOurRules() {
		h.line("")
		text := fmt.Sprintf(
			"The bucket has lifecycle rules of others. One of them, or another one, has to end\nincomplete uploads (abort_incomplete_multipart_upload) after %d days.", abortDays)
		if note := p.keepNote(); note != "" {
			text += "\n" + strings.TrimSpace(note)
		}
		h.comment(text)
		return
	}
	var body []string
	for _, r := range p.lifecycle {
		body = append(body,
			"rule {", "  id     = "+quoted(aws.ToString(r.ID)), `  status = "Enabled"`)
		if u := r.AbortIncompleteMultipartUpload; u != nil {
			body = append(body, "  filter {}", "  abort_incomplete_multipart_upload {",
				fmt.Sprintf("    days_after_initiation = %d",
					aws.ToInt32(u.DaysAfterInitiation)), "  }", "}")
			continue
		}
		body = append(body, "  filter {",
			"    prefix = "+quoted(aws.ToString(r.Filter.Prefix)), "  }",
			"  expiration {", fmt.Sprintf("    days = %d", aws.ToInt32(r.Expiration.Days)), "  }",
			"  noncurrent_version_expiration {", fmt.Sprintf("    noncurrent_days = %d",
				aws.ToInt32(r.NoncurrentVersionExpiration.NoncurrentDays)), "  }", "}")
	}
	h.resource("aws_s3_bucket_lifecycle_configuration", body...)
}

func (h *hcl) policy(p *Plan) {
	body := []string{"policy = <<-POLICY"}
	text := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(p.Policy.String())
	for l := range strings.Lines(text) {
		body = append(body, "  "+strings.TrimRight(l, "\n"))
	}
	body = append(body, "POLICY")
	if !p.staysPublic() {
		body = append(body,
			"depends_on = [aws_s3_bucket_public_access_block.exchange] # first closed to the public, then opened to the client")
	}
	h.resource("aws_s3_bucket_policy", body...)
}

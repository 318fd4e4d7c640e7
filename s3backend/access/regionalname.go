package access

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/s3share/s3share/s3backend"
)

// regionalName is a bucket's name in the namespace of one account in one region, in which
// nobody else can make buckets: PREFIX-ACCOUNT-REGION-an. Such a bucket is made by a request
// that says so.
// Source: Amazon S3 User Guide, "Namespaces for general purpose buckets".
type regionalName struct{ account, region string }

var regional = regexp.MustCompile(`-([0-9]{12})-([a-z]{2,}(?:-[a-z]+)+-[0-9]+)-an$`)

// parseRegionalName takes such a name apart; false for any other.
func parseRegionalName(bucket string) (regionalName, bool) {
	f := regional.FindStringSubmatch(bucket)
	if f == nil {
		return regionalName{}, false
	}
	return regionalName{f[1], f[2]}, true
}

// RegionOfName is the region in the name of a bucket of an account's own namespace, "" for
// any other bucket.
func RegionOfName(bucket string) string {
	n, _ := parseRegionalName(bucket)
	return n.region
}

// ErrAnothersName is returned where a bucket of this name can only be made by another account, or
// in another region.
var ErrAnothersName = errors.New("the name is reserved")

// checkRegionalName refuses to make a bucket whose name AWS keeps for another account or
// region.
func checkRegionalName(bucket string, found Bucket) error {
	n, ok := parseRegionalName(bucket)
	switch {
	case !ok || found.Exists || found.Endpoint != "":
		return nil
	case n.account != found.Owner && s3backend.IsAccountID(found.Owner):
		return fmt.Errorf("%w: it ends in the account %s, and these credentials are of %s",
			ErrAnothersName, n.account, found.Owner)
	case n.region != found.Region:
		return fmt.Errorf("%w: it ends in the region %s, and the bucket would be in %s",
			ErrAnothersName, n.region, found.Region)
	}
	return nil
}

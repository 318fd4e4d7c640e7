package s3backend

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// TestListRefusesWhatS3CannotSay has a server answer with what would lead whoever
// believes it astray.
func TestListRefusesWhatS3CannotSay(t *testing.T) {
	object := func(key, size string) string {
		return "<Contents><Key>" + key + "</Key><Size>" + size +
			"</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
	}
	prefix := func(p string) string {
		return "<CommonPrefixes><Prefix>" + p + "</Prefix></CommonPrefixes>"
	}
	for name, body := range map[string]string{
		"a key shorter than the prefix":    object("Deliv", "1"),
		"no key at all":                    "<Contents><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>",
		"a key outside":                    object("Private/x", "1"),
		"a key that only looks like it":    object("Delivery", "1"),
		"a key of megabytes":               object("Delivery/"+strings.Repeat("x", 1<<20), "1"),
		"a negative size":                  object("Delivery/x", "-1"),
		"a size beyond 2^53":               object("Delivery/x", "9007199254740992"),
		"a size beyond 2^63":               object("Delivery/x", "99999999999999999999"),
		"a size that is none":              object("Delivery/x", "many"),
		"an ETag of megabytes":             strings.Replace(object("Delivery/x", "1"), "<Size>", "<ETag>"+strings.Repeat("e", 1<<20)+"</ETag><Size>", 1),
		"a class of megabytes":             strings.Replace(object("Delivery/x", "1"), "<Size>", "<StorageClass>"+strings.Repeat("C", 1<<20)+"</StorageClass><Size>", 1),
		"a folder outside":                 prefix("Private/"),
		"a folder that is the folder":      prefix("Delivery/"),
		"a folder without a slash":         prefix("Delivery/sub"),
		"a folder shorter than the prefix": prefix("D/"),
		"a hundred thousand keys":          strings.Repeat(object("Delivery/x", "1"), 100_000),
		"a million empty elements":         strings.Repeat("<Contents/>", 1_000_000),
		"a token of megabytes":             "<IsTruncated>true</IsTruncated><NextContinuationToken>" + strings.Repeat("t", 1<<20) + "</NextContinuationToken>",
		"no token":                         "<IsTruncated>true</IsTruncated>",
		"no end of the document":           "<Contents><Key>Delivery/x",
		"elements within elements":         strings.Repeat("<a>", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			for _, plain := range []string{"", "<!-- not for the scanner -->"} {
				c := against(t, func(w http.ResponseWriter, _ *http.Request) {
					fmt.Fprintf(w,
						"<ListBucketResult><Name>bkt</Name>%s%s</ListBucketResult>", plain, body)
				})
				page, err := c.List(t.Context(), ListInput{Prefix: "Delivery/", Delimiter: "/"})
				if !isKind(err, Other) {
					t.Fatalf("List = %d objects, %v, want an error", len(page.Objects), err)
				}
				if len(err.Error()) > 2000 {
					t.Errorf("the error has %d bytes", len(err.Error()))
				}
			}
		})
	}
}

// TestListingsComeToAnEnd follows listings of servers that never end them: by pages that
// come again after any number of others, and by pages with nothing in them.
func TestListingsComeToAnEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		before, circle := r.IntN(50), 1+r.IntN(50)
		empty := r.IntN(5) == 0
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			n := 0
			fmt.Sscanf(r.URL.Query().Get("continuation-token"), "t%d", &n)
			next := n + 1
			if next == before+circle {
				next = before
			}
			fmt.Fprint(w, "<ListBucketResult><Name>bkt</Name>")
			if !empty {
				fmt.Fprintf(w,
					"<Contents><Key>k%03d</Key><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>", n)
			}
			fmt.Fprintf(w,
				"<IsTruncated>true</IsTruncated><NextContinuationToken>t%d</NextContinuationToken></ListBucketResult>", next)
		})
		in, pages := ListInput{}, 0
		for ; ; pages++ {
			page, err := c.List(t.Context(), in)
			if err != nil {
				break
			}
			if in.Token = page.Next; pages > 4*(before+circle)+maxEmpty {
				t.Fatalf("%d pages in a circle of %d after %d: no error", pages, circle, before)
			}
		}
		if !empty && pages < before+circle-1 {
			t.Errorf("refused after %d pages, of which %d are different", pages, before+circle)
		}
	}
}

// TestLongListingsAreNoCircle lists many pages, twice at once.
func TestLongListingsAreNoCircle(t *testing.T) {
	const pages = 1000
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscanf(r.URL.Query().Get("continuation-token"), "t%d", &n)
		fmt.Fprint(w, "<ListBucketResult><Name>bkt</Name>")
		if n%7 != 0 { // some pages have nothing in them
			fmt.Fprintf(w,
				"<Contents><Key>k%06d</Key><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>", n)
		}
		fmt.Fprintf(w,
			"<IsTruncated>%t</IsTruncated><NextContinuationToken>t%d</NextContinuationToken></ListBucketResult>", n < pages, n+1)
	})
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for in := (ListInput{}); ; {
				page, err := c.List(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if in.Token = page.Next; in.Token == "" {
					return
				}
			}
		})
	}
}

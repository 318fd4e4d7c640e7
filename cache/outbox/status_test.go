package outbox

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestStatusKeepsEveryName writes a status to JSON and reads it back, as the control
// protocol and the list of conflicts do.
func TestStatusKeepsEveryName(t *testing.T) {
	for _, name := range []string{"Delivery/q3.csv", "Delivery/a\tb\nc\x1b", "Delivery/caf\xe9",
		"Delivery/\xff/\ufffd"} {
		st := Status{
			Key: name, Path: name + "x", State: Blocked, Size: 1 << 40, Sent: 3,
			Speed: 2, Reason: "why", Theirs: name + "y",
			Code: "AccessDenied", RequestID: "R", Since: time.Unix(1234567890, 5).UTC(),
		}
		for _, st := range []Status{st, {Key: name, State: Sealed}} {
			b, err := json.Marshal(st)
			if err != nil {
				t.Fatal(err)
			}
			var back Status
			if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, st) {
				t.Errorf("%s came back as %+v, %v, want %+v", b, back, err, st)
			}
		}
	}
	b, err := json.Marshal(Status{Key: "Delivery/a"})
	if err != nil || strings.Contains(string(b), "theirs") ||
		!strings.Contains(string(b), `"key":"Delivery/a"`) {
		t.Errorf("Marshal = %s, %v, want no key for what is not set", b, err)
	}
}

package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// format writes a length of time as a person would: in steps of 100 ms below a
// minute and of a second above, without units that are zero at the end: 12.3s, 3m,
// 4m30s, 1h0m5s.
func format(d time.Duration) string {
	if d < 0 {
		return "-" + format(-d)
	}
	if tenths := d.Round(100 * time.Millisecond); tenths < time.Minute {
		return strconv.FormatFloat(tenths.Seconds(), 'f', -1, 64) + "s"
	}
	whole := d.Round(time.Second)
	text := whole.String()
	if whole%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if whole%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// short leaves out the namespace that everybody means who names none.
func short(name string) string {
	return strings.TrimPrefix(name, metav1.NamespaceDefault+"/")
}

// schedulerWords is how sentences call a scheduler.
func schedulerWords(scheduler string) string {
	if scheduler == "holdfast" {
		return "Holdfast"
	}
	return "the " + scheduler + " scheduler"
}

// enumerate joins words: a, b and c.
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// plural is the number with the noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

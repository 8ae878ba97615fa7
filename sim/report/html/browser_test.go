package html_test

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/holdfast-dev/holdfast/sim/report"
)

//go:embed testdata/probe.js
var probe string

// browserTimeout is for all that one test asks of a browser.
const browserTimeout = 2 * time.Minute

// chromium is the browser's program. A machine of a developer may have none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no chromium on the PATH: install the package chromium")
	}
	t.Skip("no chromium on the PATH: the picture is not looked at; install the package chromium")
	return ""
}

// browser is a page in a headless browser.
type browser struct {
	*testing.T
	ctx context.Context

	mu sync.Mutex
	// said is what the page wrote to its console: errors, and whatever else.
	said []string
}

// open opens a page with these reports. The browser ends with the test, and so does
// all that it wrote.
func open(t *testing.T, reports ...*report.Report) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	// A browser makes a socket there, whose path must be short.
	folder, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		awaitEnd(t, folder)
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(filepath.Join(folder, "profile")), chromedp.Env("TMPDIR="+folder),
		chromedp.Flag("disable-crash-reporter", true), chromedp.Flag("disable-breakpad", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Root cannot have one.
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closePage := chromedp.NewContext(ctx)
	t.Cleanup(closePage)
	b := &browser{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(write(t, reports...)), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do(send(log.Enable, cdp.Empty{}), chromedp.Navigate("file://"+file), install)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, text := range b.said {
			t.Errorf("the console says: %s", text)
		}
		// The browser's own end is waited for: it still writes to its folder until then.
		_ = chromedp.Cancel(ctx)
	})
	return b
}

// awaitEnd waits until no process is left that works in this folder: the browser's
// children end a little later than it does. Only Linux can tell.
func awaitEnd(t *testing.T, folder string) {
	t.Helper()
	for end := time.Now().Add(endTimeout); ; {
		left := 0
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range environments {
			environment, err := os.ReadFile(file)
			if err == nil && strings.Contains(string(environment), "TMPDIR="+folder) {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d processes of the browser are left", left)
			return
		}
		time.Sleep(endPoll)
	}
}

// How long the browser's children may take to end, and how often that is looked at.
const (
	endTimeout = 20 * time.Second
	endPoll    = 20 * time.Millisecond
)

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.said = append(b.said, string(a.Value))
		}
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *log.EventEntryAdded:
		b.said = append(b.said, e.Entry.Text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// send is a command of the protocol.
func send[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, c, params)
		return none, err
	}
}

// evaluate evaluates an expression, and waits for it if it is a promise.
func evaluate(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = chromedp.Evaluate[int](expression, chromedp.EvalAwaitPromise)(ctx, t)
		return none, err
	}
}

// install has the page answer the questions of the test.
var install = evaluate(probe + "; 1")

// ask evaluates a question of probe.js.
func ask[T any](b *browser, question string) T {
	b.Helper()
	answer, err := chromedp.Run(b.ctx, chromedp.Evaluate[T]("probe."+question))
	if err != nil {
		b.Fatal(err)
	}
	return answer
}

// look sets the window and the colours that the reader likes, and waits for the page to
// be drawn so.
func (b *browser) look(width int64, scheme, media string) {
	b.Helper()
	b.do(
		send(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1}),
		send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
		drawn,
	)
}

// drawn waits until the page has been drawn.
var drawn = evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

// press sends keys, one after the other.
func (b *browser) press(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// place is where a bar is, as a share of the scale.
type place struct {
	Lane, Fill, Label string
	From, To, Height  float64
}

func TestTheRedBarsAreWhereTheCheckerSays(t *testing.T) {
	r := real(t, "silent-node")
	b := open(t, r)
	for _, width := range []int64{1280, 400} {
		b.look(width, "light", "")
		for _, run := range r.Runs {
			places := ask[[]place](b, fmt.Sprintf("spans(%q, 'broken')", run.Scheduler))
			if len(places) != len(run.Violations) {
				t.Errorf("%d bars under %s, want %d", len(places), run.Scheduler, len(run.Violations))
			}
			for _, v := range run.Violations {
				found := false
				for _, p := range places {
					near := func(got float64, at time.Duration) bool {
						return math.Abs(got-at.Seconds()/run.Until.Seconds()) < 0.005
					}
					found = found || "default/"+p.Lane == v.By && near(p.From, v.From.Duration) && near(p.To, v.To.Duration) &&
						strings.Contains(p.Fill, "hatch-broken") && strings.HasPrefix(p.Label, v.Invariant) && p.Height >= 10
				}
				if !found {
					t.Errorf("at %d under %s: no hatched bar for %s of %s among %+v", width, run.Scheduler, v.Invariant, v.By, places)
				}
			}
		}
	}
	if held := ask[[]place](b, "spans('holdfast', 'holding')"); len(held) != 2 {
		t.Errorf("held: %+v", held)
	}
}

func TestNothingOverflowsOrOverlapsAndAllCanBeRead(t *testing.T) {
	for name, reports := range map[string][]*report.Report{
		"two stories":   {real(t, "silent-node"), real(t, "false-attestation")},
		"hostile names": {hostileReport(), hostileReport()},
		"many stories":  many(t),
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, reports...)
			b.do(evaluate("probe.open(); 1"))
			for _, width := range []int64{1280, 400} {
				for _, scheme := range []string{"light", "dark"} {
					b.look(width, scheme, "")
					for _, wrong := range ask[[]string](b, "overflow()") {
						t.Errorf("overflow at %d: %s", width, wrong)
					}
					for _, wrong := range ask[[]string](b, "overlap()") {
						t.Errorf("overlap at %d: %s", width, wrong)
					}
					contrast := ask[struct {
						Wrong []string
						Texts int
					}](b, "contrast()")
					if contrast.Texts < 20 {
						t.Errorf("only %d texts were looked at", contrast.Texts)
					}
					for _, wrong := range contrast.Wrong {
						t.Errorf("contrast at %d, %s: %s", width, scheme, wrong)
					}
				}
			}
			b.look(1000, "light", "print")
			if n := ask[int](b, "shown('.tools, .detail, .find, .way')"); n > 0 {
				t.Error("what cannot be used on paper is printed")
			}
			for _, wrong := range ask[[]string](b, "overflow()") {
				t.Errorf("overflow in print: %s", wrong)
			}
		})
	}
}

// active is what has the focus.
type active struct {
	ID      int
	What    string
	Outline bool
}

func TestEverythingCanBeReachedByKeyboard(t *testing.T) {
	b := open(t, many(t)...)
	b.look(1280, "light", "")
	const stepsMost = 1000
	check := func() *active {
		t.Helper()
		a := ask[*active](b, "active()")
		if a != nil && !a.Outline {
			t.Errorf("the focus is not to be seen on %s", a.What)
		}
		return a
	}
	seen := map[int]bool{}
	for range stepsMost {
		b.press(kb.Tab)
		a := check()
		if a == nil || seen[a.ID] {
			break
		}
		seen[a.ID] = true
		if !strings.Contains(a.What, "span ") {
			continue
		}
		// From the first bar of a picture arrows go to all of its others.
		for before := -1; ; {
			b.press(kb.ArrowRight)
			now := check()
			if now == nil || now.ID == before {
				break
			}
			before = now.ID
			seen[now.ID] = true
			if title, detail := ask[string](b, "title()"), ask[string](b, "detail()"); !strings.HasPrefix(title, strings.SplitN(detail, "\n", 2)[0]) && len(seen) < 40 {
				t.Errorf("the focus is on %q and told is %q", title, detail)
			}
		}
	}
	for _, what := range ask[[]string](b, "unreached('button, a, summary, input, .span')") {
		t.Errorf("not reached: %s", what)
	}
	b.press(kb.Home, kb.ArrowUp, kb.ArrowDown, kb.End)
	check()
}

func TestTheListFindsScenarios(t *testing.T) {
	b := open(t, many(t)...)
	b.look(400, "light", "")
	shown := func(after string, scenarios, folders int) {
		t.Helper()
		if rows, sections, of := ask[int](b, "shown('nav li')"), ask[int](b, "shown('.scenario')"), ask[int](b, "shown('.folder')"); rows != scenarios || sections != scenarios || of != folders {
			t.Errorf("%s: %d rows, %d sections, %d folders, want %d of %d", after, rows, sections, of, scenarios, folders)
		}
	}
	shown("at first", 5, 3)
	b.press(kb.Tab, "o", "r", "d")
	shown("a part of a name", 1, 1)
	b.press(kb.Backspace, kb.Backspace, kb.Backspace, kb.Tab, " ")
	shown("what failed", 1, 1)
	// Its neighbour is hidden, and a link to it shows it.
	b.do(evaluate("document.querySelector('.scenario:not([hidden]) .way a:nth-child(2)').click(); 1"))
	shown("a link to what is hidden", 5, 3)
	for _, wrong := range ask[[]string](b, "deadLinks()") {
		t.Errorf("leads nowhere: %s", wrong)
	}
}

func TestZoom(t *testing.T) {
	b := open(t, real(t, "silent-node"))
	b.look(1280, "light", "")
	whole := ask[float64](b, "plot()")
	wide := func(step string, want float64) {
		t.Helper()
		if got := ask[float64](b, "plot()") / whole; math.Abs(got-want) > 0.02 {
			t.Errorf("%s: %.2f times as wide, want %.2f", step, got, want)
		}
	}
	b.do(chromedp.Click(chromedp.CSS("[data-do=in]")))
	wide("the button", 2)
	b.press("+")
	wide("the key", 4)
	if ask[int](b, "shown('.axis .t1')") == 0 {
		t.Error("the scale has no more marks when it is larger")
	}
	before := ask[[]place](b, "spans('default', 'broken')")
	b.press("-")
	wide("the key back", 2)
	for i, p := range ask[[]place](b, "spans('default', 'broken')") {
		if math.Abs(p.From-before[i].From) > 0.003 {
			t.Errorf("the bar of %s has moved on the scale, from %.3f to %.3f", p.Lane, before[i].From, p.From)
		}
	}
	b.do(chromedp.Click(chromedp.CSS("[data-do=fit]")))
	wide("all", 1)
	const control = 2
	b.do(send(input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseWheel, X: 700, Y: 600, DeltaX: 0.1, DeltaY: -300, Modifiers: control,
	}), drawn)
	wide("the wheel", math.E)
	b.press("0")
	wide("the key for all", 1)
	b.do(chromedp.Click(chromedp.CSS("[data-do=out]")))
	wide("less than all", 1)
}

func TestThePictureIsWholeWithoutAScript(t *testing.T) {
	b := open(t, real(t, "silent-node"))
	b.look(1280, "light", "")
	b.do(send(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}), chromedp.Reload(), install)
	if n := ask[int](b, "shown('.tools, .detail')"); n > 0 {
		t.Error("controls are shown that do nothing")
	}
	if places := ask[[]place](b, "spans('default', 'broken')"); len(places) != 3 {
		t.Errorf("got %+v", places)
	}
	if n := ask[int](b, `count('.span[tabindex="-1"]')`); n > 0 {
		t.Errorf("%d bars cannot be reached", n)
	}
	for _, wrong := range ask[[]string](b, "overflow()") {
		t.Errorf("overflow: %s", wrong)
	}
}

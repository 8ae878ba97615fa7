package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/holdfast-dev/holdfast/sim/campaign"
	"github.com/holdfast-dev/holdfast/sim/report"
	"github.com/holdfast-dev/holdfast/sim/scenario"
)

// hunt is how mutants are looked for.
type hunt struct {
	program  *program
	packages *packages
	stories  []story
	// survivors: scenarios are played for the mutants, too, of which the list says why none
	// notices.
	survivors bool
	// named: only the stories that are named for a mutant are played.
	named bool
	// runs of a campaign are drawn from seed for a mutant that no story notices.
	seed uint64
	runs int
	// tries is how often a scenario that caught a mutant is played to make it smaller, and
	// shrinking how long that may take, in wall time.
	tries     int
	shrinking time.Duration
	// work is a folder for candidates.
	work string
}

// Catch is what came of one mutant.
type Catch struct {
	Mutant Mutant
	// By is the story, or the run of the campaign; empty: no scenario noticed.
	By string
	// ByTests: the tests of its package noticed, and Failed are those that did.
	ByTests bool
	// Broken are invariants that broke inside the trust boundary; where there are none,
	// Failed has the checks of the story that failed.
	Broken, Failed []string
	// Named: it was one of the stories that are named for it.
	Named bool
	// Steps is how long the timeline was, Small what was left of it that still finds the
	// mutant; 0 if it was not made smaller.
	Steps, Small int
	// Reached is how many stories were found in which the edit could change something.
	Reached int
	// Plays is how many scenarios were played until it was caught.
	Plays int
}

// of looks until something notices the mutant: scenarios, if the list does not say that
// none will, and where it does the tests of its package.
func (h *hunt) of(ctx context.Context, m Mutant) (*Catch, error) {
	c := &Catch{Mutant: m}
	if m.Survives == "" || h.survivors {
		if err := h.byScenarios(ctx, c); err != nil {
			return nil, err
		}
	}
	if m.Survives == "" || c.By != "" {
		return c, ctx.Err()
	}
	var err error
	c.Failed, err = h.packages.notice(ctx, m)
	c.ByTests = len(c.Failed) > 0
	return c, err
}

// byScenarios plays stories, and then runs of a campaign.
func (h *hunt) byScenarios(ctx context.Context, c *Catch) error {
	m := c.Mutant
	all, err := h.inOrder(m)
	if err != nil {
		return err
	}
	for i, s := range all {
		none := h.program.withNone(ctx, s.file)
		if none.err != nil {
			return fmt.Errorf("story %s: %w", s.name, none.err)
		}
		if !slices.Contains(none.reached, m.Name) {
			continue
		}
		c.Reached++
		c.Plays++
		if h.caught(ctx, c, s.file) {
			c.By, c.Named = s.name, i < len(m.Stories)
			return h.shrink(ctx, c, s.file)
		}
	}
	for run := range h.runs {
		file, err := h.drawn(run)
		if err != nil {
			return err
		}
		none := h.program.withNone(ctx, file)
		if none.err != nil || !slices.Contains(none.reached, m.Name) {
			continue // What a run breaks with no mutant on is for the campaign itself to tell.
		}
		c.Plays++
		if h.caught(ctx, c, file) {
			c.By = fmt.Sprintf("campaign, seed %d, run %d", h.seed, run)
			return h.shrink(ctx, c, file)
		}
	}
	return ctx.Err()
}

// drawn writes the plan of one run of the campaign.
func (h *hunt) drawn(run int) (string, error) {
	file := filepath.Join(h.work, fmt.Sprintf("seed-%d-run-%d.yaml", h.seed, run))
	data, err := campaign.File(campaign.Draw(h.seed, run).Scenario)
	if err != nil {
		return "", err
	}
	return file, os.WriteFile(file, data, 0o644)
}

// inOrder are the stories named for the mutant, and then all others, the cheapest first.
func (h *hunt) inOrder(m Mutant) ([]story, error) {
	var named, others []story
	for _, name := range m.Stories {
		i := slices.IndexFunc(h.stories, func(s story) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("mutant %s: stories: there is no %q in sim/scenarios", m.Name, name)
		}
		named = append(named, h.stories[i])
	}
	for _, s := range h.stories {
		if !h.named && !slices.Contains(m.Stories, s.name) {
			others = append(others, s)
		}
	}
	return append(named, others...), nil
}

// caught plays a file with the mutant on, and notes what it noticed. A program that does
// not come to its end has noticed, too.
func (h *hunt) caught(ctx context.Context, c *Catch, file string) bool {
	run, err := h.program.play(ctx, c.Mutant.Name, file)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		c.Failed = []string{err.Error()}
	case run.Passed() && len(brokenInside(run)) == 0:
		return false
	default:
		c.Broken, c.Failed = brokenInside(run), failedChecks(run)
	}
	return true
}

// shrink looks for fewer steps with which the mutant is caught in the same way.
func (h *hunt) shrink(ctx context.Context, c *Catch, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	s := &scenario.Scenario{}
	if err := yaml.Unmarshal(data, s); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	c.Steps = len(s.Timeline)
	if h.tries == 0 {
		return nil
	}
	until := time.Now().Add(h.shrinking)
	folder := filepath.Dir(file)
	small, err := campaign.Shrink(s, folder, h.tries, func(candidate *scenario.Scenario) (bool, error) {
		if time.Now().After(until) {
			return false, nil
		}
		return h.alike(ctx, c, folder, candidate)
	})
	if err != nil {
		return err
	}
	c.Small = len(small.Timeline)
	return nil
}

// alike plays a candidate: one of the same invariants breaks. Where it was checks that
// failed, one of the same fails, and none does with no mutant on: a story that was robbed
// of what it expects fails by that alone.
func (h *hunt) alike(ctx context.Context, c *Catch, folder string, candidate *scenario.Scenario) (bool, error) {
	file, err := campaign.Candidate(folder, candidate)
	if err != nil {
		return false, err
	}
	defer os.Remove(file) //nolint:errcheck // Of a temporary file nothing more can be said.
	run, err := h.program.play(ctx, c.Mutant.Name, file)
	if err != nil {
		return false, ctx.Err()
	}
	if len(c.Broken) > 0 {
		return anyOf(brokenInside(run), c.Broken), nil
	}
	if !anyOf(failedChecks(run), c.Failed) {
		return false, nil
	}
	run, err = h.program.play(ctx, "", file)
	return err == nil && run.Passed(), ctx.Err()
}

func anyOf(found, wanted []string) bool {
	return slices.ContainsFunc(found, func(s string) bool { return slices.Contains(wanted, s) })
}

// find plays the story of a hazard with its rule off, and tells what failed; found says
// whether what the list names is among it.
func (h *hunt) find(ctx context.Context, hazard Hazard) (found bool, failed []string, err error) {
	i := slices.IndexFunc(h.stories, func(s story) bool { return s.name == hazard.Story })
	if i < 0 {
		return false, nil, fmt.Errorf("hazard %s: story: there is no %q in sim/scenarios", hazard.ID, hazard.Story)
	}
	file := h.stories[i].file
	if err := h.program.withNone(ctx, file).err; err != nil {
		return false, nil, fmt.Errorf("story %s: %w", hazard.Story, err)
	}
	run, err := h.program.play(ctx, hazard.Without, file)
	if err != nil {
		return false, nil, fmt.Errorf("story %s without %s: %w", hazard.Story, hazard.Without, err)
	}
	return finds(run, hazard.Finds), failedChecks(run), nil
}

// finds tells whether an invariant broke, or a check failed whose name begins so.
func finds(run *report.Run, what string) bool {
	return slices.Contains(brokenInside(run), what) ||
		slices.ContainsFunc(failedChecks(run), func(name string) bool { return strings.HasPrefix(name, what) })
}

package main

import (
	"slices"
	"strings"
	"testing"

	schedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"github.com/holdfast-dev/holdfast/pkg/plugin"
	"github.com/holdfast-dev/holdfast/pkg/plugin/limits"
)

// change changes the right profile into another one.
type change func(*schedulerconfig.Plugins)

func set(names ...string) schedulerconfig.PluginSet {
	var s schedulerconfig.PluginSet
	for _, name := range names {
		s.Enabled = append(s.Enabled, schedulerconfig.Plugin{Name: name})
	}
	return s
}

// rightProfile is the shipped one, as far as Holdfast goes.
func rightProfile(changes ...change) *schedulerconfig.Plugins {
	p := &schedulerconfig.Plugins{
		PreEnqueue: set("SchedulingGates", plugin.Name),
		PreFilter:  set("NodeAffinity", plugin.Name),
		Filter:     set("NodeName", limits.Name, plugin.Name),
		Reserve:    set("VolumeBinding", plugin.Name),
		PreBind:    set("VolumeBinding", plugin.Name),
		Bind:       set(plugin.Name, "DefaultBinder"),
		PostBind:   set(plugin.Name),
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

// stockProfile is one without Holdfast.
func stockProfile() *schedulerconfig.Plugins {
	return &schedulerconfig.Plugins{PreBind: set("VolumeBinding"), Bind: set("DefaultBinder")}
}

func TestAConfigurationThatProtectsNothingIsRefused(t *testing.T) {
	tests := map[string]struct {
		profiles  map[string]*schedulerconfig.Plugins
		extenders []schedulerconfig.Extender
		want      []string
		wantError []string
	}{
		"the shipped profile": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile()},
			want:     []string{"holdfast"},
		},
		"two profiles with the plugin beside the stock one": {
			profiles: map[string]*schedulerconfig.Plugins{"default-scheduler": stockProfile(), "stateful": rightProfile(), "holdfast": rightProfile()},
			want:     []string{"holdfast", "stateful"},
		},
		"no profile has the plugin": {
			profiles:  map[string]*schedulerconfig.Plugins{"default-scheduler": stockProfile()},
			wantError: []string{"no profile has the plugin Holdfast", "--config", shippedConfiguration},
		},
		"a plugin's PreBind comes after the wait for the turn": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.PreBind = set(plugin.Name, "VolumeBinding")
			})},
			wantError: []string{"profile holdfast, preBind: Holdfast must be the last plugin, and VolumeBinding comes after it"},
		},
		"DefaultBinder takes every pod before Holdfast sees it": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Bind = set("DefaultBinder", plugin.Name)
			})},
			wantError: []string{"profile holdfast, bind: Holdfast must be the first plugin, and DefaultBinder comes before it"},
		},
		"nobody binds the pods of others": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Bind = set(plugin.Name)
			})},
			wantError: []string{"profile holdfast, bind:", "put DefaultBinder after it"},
		},
		"the gate and the wait for the turn are switched off": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.PreEnqueue, p.PreBind = set("SchedulingGates"), set("VolumeBinding")
			})},
			wantError: []string{"profile holdfast, preEnqueue: Holdfast is enabled elsewhere", "profile holdfast, preBind: Holdfast is enabled elsewhere"},
		},
		"nothing tells the next ordinal": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Reserve, p.PostBind = set("VolumeBinding"), set()
			})},
			wantError: []string{"profile holdfast, reserve: Holdfast is enabled elsewhere", "profile holdfast, postBind: Holdfast is enabled elsewhere"},
		},
		"one profile of two is wrong": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(), "stateful": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Filter = set("NodeName", limits.Name)
			})},
			wantError: []string{"profile stateful, filter:"},
		},
		"attachments are counted twice over": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Filter = set("NodeVolumeLimits", "HoldfastVolumeLimits", plugin.Name)
			})},
			wantError: []string{"profile holdfast, filter: HoldfastVolumeLimits takes the place of NodeVolumeLimits", shippedConfiguration},
		},
		"attachments are not counted": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Filter = set("NodeName", plugin.Name)
			})},
			wantError: []string{"profile holdfast, filter: nothing counts the volumes", "enable HoldfastVolumeLimits"},
		},
		"attachments are counted as upstream does": {
			profiles: map[string]*schedulerconfig.Plugins{"holdfast": rightProfile(func(p *schedulerconfig.Plugins) {
				p.Filter = set("NodeVolumeLimits", plugin.Name)
			})},
			want: []string{"holdfast"},
		},
		"an extender binds past every plugin": {
			profiles:  map[string]*schedulerconfig.Plugins{"holdfast": rightProfile()},
			extenders: []schedulerconfig.Extender{{URLPrefix: "https://binder.example", BindVerb: "bind"}},
			wantError: []string{"extender https://binder.example", "bindVerb"},
		},
		"an extender that only filters": {
			profiles:  map[string]*schedulerconfig.Plugins{"holdfast": rightProfile()},
			extenders: []schedulerconfig.Extender{{URLPrefix: "https://filter.example", FilterVerb: "filter"}},
			want:      []string{"holdfast"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := protectingProfiles(tc.profiles, tc.extenders)
			if len(tc.wantError) == 0 {
				if err != nil || !slices.Equal(got, tc.want) {
					t.Fatalf("got %v, %v, want %v", got, err, tc.want)
				}
				return
			}
			if err == nil {
				t.Fatalf("no error, and the profiles %v", got)
			}
			for _, want := range tc.wantError {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not say %q", err, want)
				}
			}
		})
	}
}

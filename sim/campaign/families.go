package campaign

import "time"

// family is a number of faults of one kind.
type family struct {
	// name as sim faults has it.
	name   string
	faults []fault
}

// fault is one that can be drawn.
type fault struct {
	// weight is how often it is drawn, against the others of its family.
	weight int
	// draw adds its steps from a time on. It may find that it cannot, and add none.
	draw func(t *story, at time.Duration)
}

// families in the order in which they are drawn: operators come after what gives them
// something to lose their patience with.
var families = []family{
	{"node", []fault{{4, crash}, {3, reboot}, {3, freeze}, {2, hangKubelet}, {1, replace}, {2, terminate}, {1, setClock}}},
	{"network", []fault{{5, partition}, {2, partitionOneWay}, {2, cutStorage}}},
	{"kubelet", []fault{
		{3, restartKubelet}, {1, restartBlindKubelet}, {1, restartKubeletThatRejects}, {2, killContainers},
		{2, stickContainers}, {2, hangRuntime}, {2, lieAboutStop},
	}},
	{"api", []fault{{4, stallWatch}, {2, dropWatch}, {3, loseRequest}, {3, loseAnswer}, {3, refuse}, {2, lagWatches}}},
	{"storage", []fault{{4, breakStorage}, {2, restartDriver}, {2, setAttachLimit}}},
	{"scheduler", []fault{{3, restartScheduler}, {3, crashSchedulerAt}, {2, startScheduler}}},
	{"remediation", []fault{{4, fence}, {2, fenceBriefly}, {1, fenceFalsely}}},
	{"operators", []fault{
		{3, deletePod}, {6, forceDelete}, {2, impatientDelete}, {1, stripFinalizers}, {1, deleteRecord}, {2, deleteNode},
		{2, outOfService}, {1, taint}, {2, cordon}, {2, drain}, {3, scale}, {3, rollOut}, {1, recreate},
	}},
}

// gaps are mean times between two faults of a family, of which each run draws one.
var gaps = []time.Duration{90 * time.Second, 3 * time.Minute, 6 * time.Minute}

// strike draws the faults of a family over the phase of faults.
func (f *family) strike(t *story) {
	gap := pick(t.dice, gaps)
	for at := firstFault + t.span(0, gap); at < t.faultsEnd; at += t.span(gap/3, gap*5/3) {
		f.pick(t).draw(t, at)
	}
}

func (f *family) pick(t *story) fault {
	sum := 0
	for _, one := range f.faults {
		sum += one.weight
	}
	n := t.IntN(sum)
	for _, one := range f.faults {
		if n -= one.weight; n < 0 {
			return one
		}
	}
	panic("campaign: weights that do not add up")
}

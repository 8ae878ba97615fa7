package reach

import (
	"math"
	"time"
)

// Room is what a node has to do with attaching the volumes of a pod.
type Room struct {
	// Volumes is how many of the pod's volumes are attached to nodes, Attached how many of
	// them to this one.
	Volumes, Attached int
	// FailedAt is when attaching anything to the node failed last, as far as an attachment
	// that is still there says; zero if none does.
	FailedAt time.Time
	// SlotsLeft is how many more volumes can be attached to the node, of SlotsMax: of the
	// driver with the smallest share left among those of the pod's volumes. A SlotsMax of 0
	// is no limit. What a driver's limit means for a pod is for the plugin of attach limits
	// to say; this counts the attachments that are there, on their way in or out.
	SlotsLeft, SlotsMax int
}

// RoomOn tells of the node. It costs a look at each attachment of the node.
func (x *Index) RoomOn(node string, uses []Use) Room {
	var r Room
	used := map[string]int{}
	for a := range x.attachedAt[node] {
		used[a.driver]++
		if a.failedAt.After(r.FailedAt) {
			r.FailedAt = a.failedAt
		}
	}
	share := math.Inf(1)
	for _, use := range uses {
		if there := x.attached[use.Volume]; len(there) > 0 {
			r.Volumes++
			for a := range there {
				if a.node == node {
					r.Attached++
					break
				}
			}
		}
		driver := x.driverOf(use)
		most, limited := x.slots[node][driver]
		if driver == "" || !limited || most <= 0 {
			continue
		}
		if left := most - used[driver]; float64(left)/float64(most) < share {
			share, r.SlotsLeft, r.SlotsMax = float64(left)/float64(most), left, most
		}
	}
	return r
}

// driverOf is empty for a volume of no driver, or of none that reach knows.
func (x *Index) driverOf(use Use) string {
	if v := x.volumes[use.Volume]; v != nil && v.place != nil {
		return v.place.driver
	}
	return ""
}

package snapshot

// Beyond these a file is refused, never cut short.
const (
	// FileBytesMax is the size of one file.
	FileBytesMax = 256 << 20
	// FilesMax is the files of one cluster.
	FilesMax = 100
	// ObjectsMax is the objects of one cluster.
	ObjectsMax = 100_000
	// NodesMax is the nodes of one cluster.
	NodesMax = 5000
	// namedMax is how many objects or fields a note names before it only counts.
	namedMax = 5
)

"""Public protocols. Doors know HTTP, JSON and status codes; what an array means is `inference`'s business."""

module bellwether/chaos/cluster/pause

go 1.25.0

module peer

go 1.25

require github.com/lxzan/gws v1.8.9

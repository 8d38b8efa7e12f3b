module peer

go 1.25

require github.com/valyala/fasthttp v1.78.0

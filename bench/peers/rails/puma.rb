# As the file that `rails new` writes, and a process for each processor, which its comments advise for more than one.
# SPDX-License-Identifier: MIT
require 'etc'

threads 5, 5
workers ENV.fetch('WEB_CONCURRENCY') { Etc.nprocessors }.to_i
preload_app!
environment 'production'

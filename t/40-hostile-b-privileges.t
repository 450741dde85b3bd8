#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The cases of t/hostile/B-privileges, each with what must be true after it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec::Hostile;

Test::Codeexec::Hostile->test('B-privileges');

#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The cases of t/hostile/C-keeper, each with what must be true after it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec::Hostile;

Test::Codeexec::Hostile->test('C-keeper');

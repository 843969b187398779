"""``python -m benchmarks [sqlite|postgresql|mariadb …]``: every benchmark there is, which is one."""

import sys

from benchmarks.real_files import main

sys.exit(main())

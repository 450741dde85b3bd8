# Databases in memory and in a file, a journal of each kind, threads, backups.

import sqlite3
import threading

memory = sqlite3.connect(':memory:')
memory.execute('create table t (n integer, s text)')
memory.executemany('insert into t values (?, ?)',
                   [(n, f'строка {n}') for n in range(1000)])
memory.commit()
print(memory.execute('select sum(n), max(s) from t where n < 10').fetchone())
print(memory.execute('select count(*) over (), row_number() over (order by n '
                     'desc) from t limit 1').fetchone())

for journal in 'delete', 'truncate', 'wal', 'memory':
    name = f'{journal}.db'
    db = sqlite3.connect(name, timeout=20)
    mode = db.execute(f'pragma journal_mode={journal}').fetchone()[0]
    db.execute('create table t (n integer primary key)')
    db.commit()

    def insert(first):
        with sqlite3.connect(name, timeout=20) as own:
            own.executemany('insert into t values (?)',
                            [(first + n,) for n in range(50)])
        own.close()

    threads = [threading.Thread(target=insert, args=(n * 50,))
               for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(mode, db.execute('select count(*), sum(n) from t').fetchone(),
          db.execute('pragma integrity_check').fetchone()[0])
    db.close()

with sqlite3.connect('backup.db') as copy:
    memory.backup(copy)
    print(copy.execute('select count(*) from t').fetchone())
    try:
        with copy:
            copy.execute('delete from t')
            raise RuntimeError
    except RuntimeError:
        print(copy.execute('select count(*) from t').fetchone())

from oracle_tools.cli import main

main()

@echo off
rem The twin of bin/oracle for Windows: same environment, same rules.
setlocal EnableExtensions
set "bundle=%~dp0.."
for %%I in ("%bundle%") do set "bundle=%%~fI"
if defined ORACLE_CACHE_DIR (set "cache=%ORACLE_CACHE_DIR%") else (set "cache=%LOCALAPPDATA%\karpathy-deep-oracle\Cache")
set "sum="
for /f "skip=1 tokens=1" %%H in ('certutil -hashfile "%bundle%\requirements.lock" MD5') do if not defined sum set "sum=%%H"
if not defined sum (echo oracle: no %bundle%\requirements.lock; get the whole bundle 1>&2 & exit /b 2)
set "env=%cache%\python-%sum%"
if exist "%env%\complete" if exist "%env%\Scripts\python.exe" goto run

echo oracle: making its Python environment in %cache% (once, about half a minute) 1>&2
if not exist "%cache%" mkdir "%cache%" || (echo oracle: cannot write %cache%; set ORACLE_CACHE_DIR 1>&2 & exit /b 2)
set "python="
for %%P in ("py -3" python3 python) do if not defined python %%~P -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set "python=%%~P"
if not defined python (echo oracle: needs Python 3.11 or newer; install it and call oracle again 1>&2 & exit /b 2)
if exist "%env%" rmdir /s /q "%env%"
%python% -m venv "%env%" || (echo oracle: Python cannot make an environment 1>&2 & exit /b 2)
"%env%\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check --require-hashes -r "%bundle%\requirements.lock" || (echo oracle: the packages could not be fetched; are you offline? 1>&2 & exit /b 2)
echo %bundle%>"%env%\complete"

:run
if not defined ORACLE_ROOT set "ORACLE_ROOT=%bundle%"
"%env%\Scripts\python.exe" -I -c "import sys; sys.path.insert(0, sys.argv.pop(1)); from oracle_tools.cli import main; main()" "%bundle%" %*
exit /b %ERRORLEVEL%

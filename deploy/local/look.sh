#!/usr/bin/env bash
# look.sh FILE.xlsx: the sheets of a workbook, its header and its first rows, as a person would see them.
#
# Reads only the beginning of the sheet, so a workbook of any size is looked at in an instant.
# shellcheck source=deploy/local/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

perl -CO -Mstrict -Mwarnings -e '
use POSIX qw(floor strftime);
my $file = shift;
my $START = 262144;    # bytes of the sheet: enough for the first rows
my $ROWS = 4;

sub part {
    my ($name) = @_;
    open my $pipe, "-|", "unzip", "-p", $file, $name or die "unzip: $!\n";
    read $pipe, my $bytes, $START;
    close $pipe;
    $bytes //= "";
    $bytes =~ s/[^>]*\z//;    # not half a character at the end
    utf8::decode($bytes);
    return $bytes;
}
sub text {
    my ($text) = @_;
    my %sign = (amp => "&", lt => "<", gt => ">", quot => "\"", apos => chr 39);
    $text =~ s/&(\w+);/$sign{$1} \/\/ "&$1;"/ge;
    return $text;
}
# which cell styles show a number as a date
my $styles = part("xl/styles.xml");
my %date_format = map { $_ => 1 } 14 .. 17, 22;
$date_format{$_} = 1 for $styles =~ /<numFmt numFmtId="(\d+)" formatCode="[^"]*yy/g;
my ($cell_styles) = $styles =~ /<cellXfs[^>]*>(.*?)<\/cellXfs>/s;
my @is_date = map { $date_format{$_} } ($cell_styles // "") =~ /<xf [^>]*?numFmtId="(\d+)"/g;

my @sheets = map { text($_) } part("xl/workbook.xml") =~ /<sheet [^>]*?name="([^"]*)"/g;
my @shared = map { text(join "", /<t[^>]*>([^<]*)<\/t>/g) } part("xl/sharedStrings.xml") =~ /<si>(.*?)<\/si>/gs;
print "Sheet: ", join(", ", @sheets), "\n";
my $sheet = part("xl/worksheets/sheet1.xml");
while ($ROWS-- > 0 and $sheet =~ /<row [^>]*?(?:\/>|>(.*?)<\/row>)/gs) {
    my @cells;
    my $row = $1 // "";
    while ($row =~ /<c ([^>]*?)(?:\/>|>(.*?)<\/c>)/gs) {
        my ($head, $body) = ($1, $2 // "");
        my ($style) = $head =~ /\bs="(\d+)"/;
        my ($value) = $body =~ /<v>([^<]*)<\/v>/;
        if ($head =~ /t="s"/) { $value = $shared[$value // 0] }
        elsif ($head =~ /t="b"/) { $value = $value ? "TRUE" : "FALSE" }
        elsif (!defined $value) { $value = text(join "", $body =~ /<t[^>]*>([^<]*)<\/t>/g) }
        elsif (defined $style and $is_date[$style]) {
            my $seconds = floor(($value - 25569) * 86400 + 0.5);
            $value = strftime($seconds % 86400 ? "%Y-%m-%d %H:%M:%S" : "%Y-%m-%d", gmtime $seconds);
        }
        push @cells, $value // "";
    }
    print "  ", join(" | ", @cells), "\n";
}
print "  ...\n";
' "$1" 2>/dev/null

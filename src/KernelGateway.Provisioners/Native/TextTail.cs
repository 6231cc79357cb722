using System.Text;

namespace KernelGateway.Provisioners.Native;

/// <summary>The end of what a program wrote: bounded, and free of control characters, so that it can be shown.</summary>
internal static class TextTail
{
    internal const int MaxLength = 4096;

    /// <summary>Reads to the end and keeps the last <paramref name="maxLength"/> characters.</summary>
    internal static async Task<string> ReadAsync(TextReader reader, int maxLength = MaxLength)
    {
        var kept = new StringBuilder();
        var buffer = new char[4096];
        int count;
        while ((count = await reader.ReadAsync(buffer)) > 0)
        {
            kept.Append(buffer, 0, count);
            if (kept.Length > maxLength * 2)
            {
                kept.Remove(0, kept.Length - maxLength);
            }
        }

        return Clean(kept.ToString(), maxLength);
    }

    /// <summary>The end of a file; empty when there is none. Only for files that nobody in a sandbox can replace.</summary>
    internal static string OfFile(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(file.Length, MaxLength), SeekOrigin.End);
            var bytes = new byte[MaxLength];
            var count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return Clean(Encoding.UTF8.GetString(bytes, 0, count));
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Cuts to the last <paramref name="maxLength"/> characters; control characters but line ends and tabs become visible dots.</summary>
    internal static string Clean(string text, int maxLength = MaxLength)
    {
        var tail = text.Length > maxLength ? text[^maxLength..] : text;
        return string.Create(tail.Length, tail, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) && source[i] is not ('\n' or '\t') ? '·' : source[i];
            }
        }).Trim();
    }
}
